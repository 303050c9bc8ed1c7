"""What a configuration may say: checked when it is composed, before anything heavy is imported."""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

from omegaconf import DictConfig, ListConfig, OmegaConf

from backbones.table_file import read_table
from tasks.checkpoint.manifest import read_manifest
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS, PRECISIONS
from tasks.common.task_info import infos
from tasks.config.heads import check_heads, several
from tasks.config.overrides import plain
from tasks.config.rules.nodes import built
from tasks.config.rules.places import check_places
from tasks.config.rules.values import check_values, suggestion
from tasks.config.search import budgets_of, check_search
from tasks.config.targets import check_targets, name_of_today, targets
from tasks.config.unread import check_read

FLOATS = ("ToFloat", "FromFloat", "Normalize", "ToTensorV2", "ToTensor3D")  # albumentations that leave no uint8 image
BUILT = ("trainer", "dataset", "backbone", "optimizer", "scheduler")


def check(config: DictConfig) -> None:
    """Refuse what can be refused from the configuration and the files it names.

    Raises:
        UserError: for a value outside its rule, a combination that means nothing, a missing file, or a `_target_`
            outside the libraries that are meant.
    """
    for key in (*BUILT, *built_of_heads(config)):
        node = OmegaConf.select(config, key)
        if not isinstance(node, DictConfig) or "_target_" not in node:
            raise UserError(f"{key}={node} leaves nothing to build; choose an option of the group")
    for _, node in built(config):  # of commands noted down before the rooms had their names
        node._target_ = name_of_today(node._target_)
    check_places(config)
    check_values(config)
    for key in ("checkpoint", "model"):
        if isinstance(config[key], ListConfig) and config.mode != "benchmark":
            raise UserError(f"{key}={config[key]}: several files are for mode=benchmark")
    check_model(config)
    check_table(config)
    budgets_of(config)
    if config.mode == "search":
        check_search(config)
    elif "search" in config:
        raise UserError(f"search={config.search.kind} is for python -m tasks.search")
    weightless = (
        config.checkpoint is None and config.model is None and config.mode not in ("train", "benchmark", "search")
    )
    if weightless and config.weights is None:
        raise UserError(f"mode={config.mode} needs checkpoint=<file.ckpt>, or weights=<of a whole network>")
    if weightless and several(config):
        raise UserError(
            f"mode={config.mode} of several heads needs checkpoint=<file.ckpt>: weights=… knows one at most"
        )
    if config.mode == "predict" and config.input is None:
        raise UserError("mode=predict needs input=<image, folder or glob>")
    if config.checkpoint is not None and config.weights is not None:
        raise UserError("checkpoint=… and weights=… both say where the weights come from; leave one out")
    distill = config.get("distill")
    if distill is not None and distill.teacher is not None and several(config):
        raise UserError(f"distill.teacher={distill.teacher}: a teacher is for one task, not for several heads")
    if distill is not None and str(distill.teacher).endswith(".ckpt"):
        if distill.weights is not None:
            raise UserError(
                "distill.weights=… is for torchvision's networks; distill.teacher=<file.ckpt> brings its own"
            )
        if config.mode == "train" and not Path(str(distill.teacher)).is_file():  # elsewhere it may be gone
            raise UserError(f"distill.teacher={distill.teacher}: no such file")
    if config.resume is not None and config.mode != "train":
        raise UserError("resume=… continues a training; use checkpoint=… to evaluate or predict")
    if config.resume is not None and (config.checkpoint is not None or config.weights is not None):
        raise UserError("resume=… brings its own weights; leave out checkpoint=… and weights=…")
    for key in ("checkpoint", "resume"):
        for path in config[key] if isinstance(config[key], ListConfig) else [config[key]]:
            if path is not None and not Path(str(path)).is_file():
                raise UserError(f"{key}={path}: no such file")
    mixed = "sets" in config.dataset
    if config.get("datasets") and not mixed and config.checkpoint is None and config.resume is None:
        raise UserError(f"datasets.{next(iter(config.datasets))} is for a mixture, which datasets=[…] makes")
    check_heads(config)
    check_targets(config)
    check_augment(config)
    if config.data.get("balance") and (several(config) or list(config.targets) != ["label"]):
        raise UserError(
            f"data.balance={config.data.balance} is for one data set with image labels; "
            "segmentation has task.loss.balance"
        )


def check_augment(config: DictConfig) -> None:
    """Raises a UserError for a transform that trains on other pixels than are scored."""
    for key in ("augment", "own_augment"):
        settings = OmegaConf.select(config, f"data.{key}")
        for path, target in targets(OmegaConf.to_container(settings, resolve=False) if settings else {}):
            if target.startswith("albumentations.") and (name := target.rpartition(".")[2]) in FLOATS:
                raise UserError(
                    f"data.{key}.{path}: {name} would train on other pixels than are scored; networks take uint8 and "
                    "normalise by themselves: leave it out"
                )


def check_model(config: DictConfig) -> None:
    """What can be said of an exported file, and of one that is to be exported, from the configuration alone.

    Raises:
        UserError: for a file that is missing, a mode that has no use for it, a precision that a format lacks.
    """
    settings = config.export
    if config.mode == "export" and settings.precision not in FORMATS[settings.format].precisions:
        known = settings.precision in PRECISIONS
        choices = ", ".join(FORMATS[settings.format].precisions if known else PRECISIONS)
        what = f"export.format={settings.format} has no precision {settings.precision}"
        raise UserError(
            f"{what}: {choices}" if known else f"export.precision={settings.precision} is not one of {choices}"
        )
    if config.mode == "export":
        check_installed(settings.format, settings.precision)
    if config.mode == "export" and settings.mixed and settings.precision != "int8":
        raise UserError(f"export.mixed=true is for export.precision=int8, not {settings.precision}")
    if config.model is None:
        return
    if config.mode in ("train", "export", "search"):
        raise UserError(f"model=… is for mode=evaluate, predict and benchmark; mode={config.mode} needs a checkpoint")
    if config.weights is not None:
        raise UserError("model=… brings its own weights; leave out weights=…")
    for path in config.model if isinstance(config.model, ListConfig) else [config.model]:
        read_manifest(Path(str(path)))


def check_table(config: DictConfig) -> None:
    """Read a backbone's block table into the configuration, so that whatever is trained needs the file no more.

    Raises:
        UserError: for a table that is missing or wrong.
    """
    backbone = config.backbone
    if backbone._target_ != "backbones.table.TableBackbone" or backbone.table is not None:
        return
    if backbone.file is None:
        raise UserError("backbone=table needs backbone.file=<block table: found.yaml of python -m tasks.search>")
    try:
        backbone.table = read_table(str(backbone.file))
    except ValueError as error:
        raise UserError(f"backbone.file: {error}") from None


def check_installed(runtime: str, precision: str) -> None:
    """Raises a UserError for a package that writes files of this format and is not there."""
    needed = [*FORMATS[runtime].packages, *(["nncf"] if runtime == "openvino" and precision == "int8" else [])]
    for package in needed:
        if find_spec(package) is None:
            raise UserError(f'export.format={runtime} needs {package}: pip install "mobilevision[{runtime}]"')


def built_of_heads(config: DictConfig) -> list[str]:
    """Keys of what is built for the heads."""
    if not several(config):
        return ["head", "task"]
    return ["balance", *(f"{name}.{key}" for name in infos() for key in ("head", "task"))]


def check_recipe(overrides: Iterable[str], folders: Iterable[Path]) -> None:
    """A recipe that was typed must be there; one that follows the data set's name need not.

    Raises:
        UserError: if it is not.
    """
    names = sorted(path.stem for folder in folders for path in (folder / "recipe").glob("*.yaml"))
    for override in overrides:
        group, _, name = override.partition("=")
        if group == "recipe" and name not in names and "," not in name:
            raise UserError(f"recipe={name}: no such option{suggestion(name, names)}; there are {', '.join(names)}")


def check_typed(config: DictConfig, typed: set[str]) -> None:
    """Refuse `image_size` and `wants` where nothing reads them; those of a checkpoint are checked when it is open.

    Args:
        typed: keys of the command line.

    Raises:
        UserError: for the first one.
    """
    fixed = sorted(key for key in typed if key == "image_size" or key.startswith("wants."))
    if fixed and config.model is not None and config.mode != "benchmark":
        raise UserError(f"{fixed[0]}: model=… stays as it was exported; mode=export makes another")
    from_file = config.checkpoint is not None and (config.mode != "train" or several(config))
    if config.model is None and config.resume is None and not from_file:
        check_read(plain(config), typed)
