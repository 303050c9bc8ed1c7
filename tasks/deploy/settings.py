"""Settings for exported files and benchmarks. Checked on construction, without torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Self

from tasks.checkpoint.manifest import read_manifest
from tasks.common.delegates import FORMAT_OF, OWN
from tasks.common.errors import UserError, check_file
from tasks.common.formats import FORMATS
from tasks.config.rules.run import BENCHMARK, EXPORT
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree
from tasks.deploy.able import check_able, check_forms, known_tasks
from tasks.page.folder import find_runtime


@dataclass(frozen=True)
class ExportSettings:
    """What is exported, how it is compared with the network, and how the file runs; see `export` in conf/base.yaml.

    Attributes:
        rewrite: whether operators that the format's own delegate lacks are rewritten; or the delegate.
        page: whether page/ is written; page_runtime: folder of onnxruntime-web for it, None for node_modules'.
        threads: of an exported file; None for the runtime's default.
        upright, white: how images are read; stored in model.json. `upright` is None as long as it is not resolved.
    """

    format: str
    precision: str
    outputs: str
    batch: int | Literal["dynamic"]
    layout: str | None
    size: Sequence[int] | Literal["dynamic"] | None
    images: int
    metric: bool
    gate: str
    mixed: bool
    slower: bool
    tolerance: float | None
    budget: float
    calibration: int
    rewrite: bool | str
    page: bool
    page_runtime: str | int | None
    threads: int | None
    upright: bool | None
    white: float | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """From a whole, resolved configuration.

        Raises:
            UserError: for an invalid value, a precision that the format does not support, or a missing package.
        """
        suffixes, typed = {entry.suffix: name for name, entry in FORMATS.items()}, tree["export"]["format"]
        if typed not in FORMATS and (name := suffixes.get(f".{typed}")):
            raise UserError(f"export.format={typed} is a suffix: export.format={name} writes such files")
        check_values(tree, EXPORT, {})
        reading = {"upright": tree["upright"], "white": tree["white"]}
        settings = cls(**tree["export"], threads=tree["runtime"]["threads"], **reading)
        if tree["mode"] != "export":
            return settings
        check_able(settings.format, settings.precision, settings.batch, settings.size, settings.input_layout)
        check_forms(settings.format, settings.outputs, known_tasks(tree))
        check_installed(settings.format, settings.precision)
        if settings.mixed and settings.precision != "int8":
            raise UserError(f"export.mixed=true is for export.precision=int8, not {settings.precision}")
        if settings.slower and settings.precision != "int8":
            raise UserError(f"export.slower=true is for export.precision=int8, not {settings.precision}")
        if isinstance(settings.rewrite, str) and FORMAT_OF[settings.rewrite] != settings.format:
            read = FORMAT_OF[settings.rewrite]
            raise UserError(f"export.rewrite={settings.rewrite} is for export.format={read}, not {settings.format}")
        if settings.page and settings.format != "onnx":
            raise UserError(f"export.page=true is for export.format=onnx, which browsers run, not {settings.format}")
        if settings.page:
            settings.runtime_of_page()
        return settings

    @property
    def input_layout(self) -> str:
        """The layout of the file's input."""
        return self.layout or FORMATS[self.format].layouts[0]

    @property
    def delegate(self) -> str | None:
        """Whose missing operators are rewritten; None for nobody's."""
        return self.rewrite if isinstance(self.rewrite, str) else OWN.get(self.format) if self.rewrite else None

    def runtime_of_page(self) -> Path:
        """The folder of onnxruntime-web.

        Raises:
            UserError: if it is not there.
        """
        return find_runtime(None if self.page_runtime is None else str(self.page_runtime))


def check_installed(runtime: str, precision: str) -> None:
    """Raises a UserError if a package that writes files of this format is missing."""
    needed = [*FORMATS[runtime].packages, *(["nncf"] if runtime == "openvino" and precision == "int8" else [])]
    for package in needed:
        if find_spec(package.replace("-", "_")) is None:
            raise UserError(f'export.format={runtime} needs {package}: pip install "mobilevision[{runtime}]"')


@dataclass(frozen=True)
class BenchmarkSettings:
    """What is measured, and how; see `benchmark` in conf/base.yaml.

    Attributes:
        score: whether what is measured is evaluated first.
        rank: the score that ranks; None for each head's main score.
        latency: network or whole, which ranks; None for the network if all files give the same outputs.
        checkpoints, models: files to measure, in turn; models may be folders.
        device: results of a device, which are shown beside this machine's.
    """

    threads: int
    warmup: int
    seconds: float
    photo: Sequence[int] | str
    size: Sequence[int] | None
    classes: int | None
    score: bool
    rank: str | None
    latency: str | None
    checkpoints: Sequence[Path] = ()
    models: Sequence[Path] = ()
    device: Sequence[Path] = ()

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """From a whole, resolved configuration.

        Raises:
            UserError: for an invalid value.
        """
        check_values(tree, BENCHMARK, {})
        device = files(tree["device"])
        if device and tree["mode"] != "benchmark":
            raise UserError(
                f"device={tree['device']}: a device's result is for mode=benchmark; a search has latency.device"
            )
        if device and tree["model"] is None:
            raise UserError("device=… is of exported files: model=… names them, or their folder")
        for path in device:
            check_file("device", path, ["*.json", "*.txt"])
        return cls(
            **tree["benchmark"], checkpoints=files(tree["checkpoint"]), models=files(tree["model"]), device=device
        )


def files(value: object) -> list[Path]:
    """The files of one key, without duplicates."""
    values = value if isinstance(value, list) else [] if value is None else [value]
    return list(dict.fromkeys(Path(str(path)) for path in values))


def check_models(tree: Tree) -> None:
    """Check the exported files that a command reads.

    Raises:
        UserError: for a missing or damaged file, and for a mode that cannot use one.
    """
    if tree["model"] is None:
        return
    if tree["mode"] in ("train", "export", "search"):
        raise UserError(f"model=… is for mode=evaluate, predict and benchmark; mode={tree['mode']} needs a checkpoint")
    if tree["weights"] is not None:
        raise UserError("model=… brings its own weights; leave out weights=…")
    named = files(tree["model"])
    if tree["mode"] == "benchmark" and (len(named) > 1 or named[0].is_dir()):
        for path in named:
            if not path.exists():
                check_file("model", path)
        return  # each is read when it is opened: one that is damaged does not keep the others from it
    for path in named:
        read_manifest(path)
