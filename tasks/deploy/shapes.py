"""Checks a file's outputs against its description: names, shapes, and numbers of classes."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.task_info import Shape, infos


def check_outputs(arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any]) -> None:
    """Check the outputs (N, …) of a file, by name.

    Raises:
        UserError: for an output that is missing, has another shape than the description's classes and anchors require,
            or has labels outside the classes.
    """
    file = manifest["file"]
    for name, task in manifest["tasks"].items():
        classes = len(task["classes"])
        info, takes = infos()[name], manifest["input"]
        shapes = info.shapes(task, manifest["outputs"], (takes["height"], takes["width"]))
        counted: dict[str, set[int]] = {}  # sizes by letter
        for role, key in task["outputs"].items():
            if key not in arrays:
                raise UserError(f"{file} has no output {key}, which its description names; it has {', '.join(arrays)}")
            shape = arrays[key].shape[1:]
            if len(shape) != len(shapes[role]) or any(
                isinstance(want, int) and want != got for want, got in zip(shapes[role], shape, strict=True)
            ):
                raise UserError(
                    f"{file} gives {key} {format_shape(shape)} for an image; its description, with {classes} classes "
                    f"of {name}, needs {format_shape(shapes[role])}"
                )
            for want, got in zip(shapes[role], shape, strict=True):
                if isinstance(want, str):
                    counted.setdefault(want, set()).add(got)
            if role == "labels" and arrays[key].size:
                for label in (int(arrays[key].min()), int(arrays[key].max())):
                    if not info.least_label <= label < classes:
                        raise UserError(f"{file} gives label {label}; its description has {classes} classes of {name}")
        if any(len(counts) > 1 for counts in counted.values()):
            raise UserError(f"{file} gives different numbers of {' and '.join(task['outputs'].values())}")


def format_shape(shape: Shape) -> str:
    """Format a shape such as 19×24×48, with ? for any number."""
    return "×".join(str(side) if isinstance(side, int) else "?" for side in shape)
