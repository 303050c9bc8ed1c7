"""model.json of an exported network: its input and outputs, and how to turn them into predictions."""

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from tasks.checkpoint.manifest import FORMAT, sha256
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.common.task_info import infos
from tasks.deploy.network import Traced, names_of
from tasks.deploy.settings import ExportSettings
from tasks.deploy.trained import trained
from tasks.engine.learner import Learner

TORCH = "PyTorch: interpolate(mode='bilinear', antialias=True, align_corners=False) of bytes, rounded to bytes"
PILLOW = "Pillow: Image.resize, rounded to bytes; then the middle is cut out, and what is missing is black"
UNPROVED = ".unproved"  # in the name of a file that was never run
NOT_RUN = (
    "there is no Core ML on the system that wrote this file, so it was never run: its operators and weights were read "
    "again and computed one by one in PyTorch"
)
OF_THIS_MACHINE = ("checkpoint", "resume", "weights", "input", "model")  # paths that are meaningless on another machine


def describe(
    task: str,
    learner: Learner,
    settings: ExportSettings,
    traced: Traced,
    size: tuple[int, int],
    fit: Any,
    source: str | None,
) -> dict[str, Any]:
    """The description of a file, without its hash.

    Args:
        task: of the checkpoint, such as "segment" or "multitask".
        size: (height, width) of the network's input; an example if the file takes any size.
        fit: resizes the user's images; None if they are used unchanged.
        source: the checkpoint's path.

    Raises:
        UserError: for a fit that cannot be described to other programs.
    """
    kind = FORMATS[settings.format]
    means = meaning(
        learner, traced.planes, traced.layout, size, fit, settings.outputs, settings.upright, settings.white
    )
    for name, entry in means["tasks"].items():
        entry["outputs"] = traced.names[name]
    return {
        "format": FORMAT,
        "mobilevision": version_here(),
        "task": task,
        "file": f"model{'' if kind.runs_here else UNPROVED}{kind.suffix}",
        **({} if kind.runs_here else {"unproved": NOT_RUN}),
        "runtime": settings.format,
        "precision": settings.precision,
        "outputs": settings.outputs,
        "versions": versions(kind.packages),
        "trained": trained(learner, source),
        "checkpoint": None if source is None else {"name": Path(source).name, "sha256": sha256(Path(source))},
        **means,
    }


def meaning(
    learner: Learner,
    shape: Sequence[int | None],
    layout: str,
    size: tuple[int, int],
    fit: Any,
    form: str,
    upright: bool | None,
    white: float | None,
) -> dict[str, Any]:
    """The part of a description that decides what a user sees: `input` and `tasks`.

    Args:
        shape: of the file's input (batch, 3, height, width), whatever its layout; None for dynamic sides.
        layout: of the file's input, NCHW or NHWC.
        size, fit: see describe().
        form: of the outputs.
        upright, white: how images are read.
    """
    batch, _, height, width = shape
    backbone, several = learner.backbone, len(learner.tasks) > 1
    return {
        "input": {
            "name": "image",
            "type": "uint8",
            "layout": layout,
            "colours": "RGB",
            "batch": batch,
            "height": height,
            "width": width,
            "upright": bool(upright),
            "white": white,
            "resize": rule_of(fit),
            "normalisation": "inside the file: give it bytes, 0 to 255; it works with (byte / 255 - mean) / std",
            "mean": rounded(backbone.mean / 255),
            "std": rounded(backbone.std / 255),
        },
        "tasks": {
            name: {
                "outputs": names_of(name, infos()[name].forms[form].outputs, several),
                "pixels": infos()[name].forms[form].meaning,
                **task.recipe(size),
            }
            for name, task in learner.each_task()
        },
    }


def rule_of(fit: Any) -> Mapping[str, Any]:
    """How images are resized for the network.

    Raises:
        UserError: for a user-defined class without a `rule`.
    """
    if fit is None:
        return {"rule": "none"}
    if not hasattr(fit, "rule"):
        raise UserError(
            f"data.fit={type(fit).__name__} has no rule() that other programs could follow; use Stretch or Letterbox "
            "of tasks.data.transforms.letterbox, or tasks.data.transforms.resize.ResizeCentreCrop"
        )
    rule = dict(fit.rule())
    kernel = rule.get("interpolation", "bilinear")
    convention = PILLOW if "interpolation" in rule else TORCH
    return {**rule, "filter": kernel, "antialias": kernel != "nearest", "convention": convention}


def portable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's metadata without the top-level keys in OF_THIS_MACHINE.

    Paths in nested keys stay: dataset.root, distill.teacher, backbone.file.
    """
    return {
        **metadata,
        "config": {key: value for key, value in metadata["config"].items() if key not in OF_THIS_MACHINE},
    }


def rounded(values: torch.Tensor) -> list[float]:
    """Three numbers as originally written."""
    return [round(float(value), 6) for value in values.flatten()]


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of packages."""
    return {name: version(name) for name in ("torch", *names)}


def version_here() -> str:
    """The installed version of this project, or 'unknown'."""
    try:
        return version("mobilevision")
    except PackageNotFoundError:
        return "unknown"
