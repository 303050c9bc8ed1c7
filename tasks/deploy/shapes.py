"""Whether what a file gives is what its description says: names, shapes, and numbers of classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError

Shape = tuple[int | None, ...]


def check_outputs(arrays: Mapping[str, NDArray[Any]], manifest: Mapping[str, Any]) -> None:
    """Look at the outputs (N, …) of a file, by name.

    Raises:
        UserError: for an output that is missing, of another shape than the description's classes and anchors need, or
            with labels beyond the classes.
    """
    file = manifest["file"]
    for name, task in manifest["tasks"].items():
        classes = len(task["classes"])
        shapes = wanted(name, task, manifest)
        for role, key in task["outputs"].items():
            if key not in arrays:
                raise UserError(f"{file} has no output {key}, which its description names; it has {', '.join(arrays)}")
            shape = arrays[key].shape[1:]
            if len(shape) != len(shapes[role]) or any(
                want not in (None, got) for want, got in zip(shapes[role], shape, strict=True)
            ):
                raise UserError(
                    f"{file} gives {key} {told(shape)} for an image; its description, with {classes} classes of "
                    f"{name}, needs {told(shapes[role])}"
                )
            if role == "labels" and arrays[key].size:
                least = -1 if name == "detect" else 0  # -1 fills the boxes up to their number
                for label in (int(arrays[key].min()), int(arrays[key].max())):
                    if not least <= label < classes:
                        raise UserError(f"{file} gives label {label}; its description has {classes} classes of {name}")
        if name == "detect" and len({arrays[key].shape[1] for key in task["outputs"].values()}) > 1:
            raise UserError(f"{file} gives different numbers of {' and '.join(task['outputs'].values())}")


def wanted(name: str, task: Mapping[str, Any], manifest: Mapping[str, Any]) -> dict[str, Shape]:
    """The shape of each of a task's outputs for one image; None for any number."""
    classes, form = len(task["classes"]), manifest["outputs"]
    takes = manifest["input"]
    if name == "segment":
        return {"logits": (classes, None, None), "labels": (takes["height"], takes["width"])}
    if name == "classify":
        return {"logits": (classes,), "probabilities": (classes,)}
    if form != "raw":
        return {"boxes": (None, 4), "scores": (None,) if form == "final" else (None, classes), "labels": (None,)}
    anchors = task["anchors"]
    count = sum(
        int(np.prod(cells)) * len(shapes) for cells, shapes in zip(anchors["cells"], anchors["shapes"], strict=True)
    )
    return {"logits": (count, classes + 1), "offsets": (count, 4)}


def told(shape: Shape) -> str:
    """Such as 19×24×48, ? for any number."""
    return "×".join("?" if side is None else str(side) for side in shape)
