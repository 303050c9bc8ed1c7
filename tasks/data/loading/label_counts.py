"""How often the labels occur in what a run trains and scores on, for its page; nothing is read from disk for it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.task import Task
from tasks.data.files.boxes import PackedBoxes
from tasks.data.loading.datamodule import DataModule

SIZES = 2.0 ** np.arange(1, 12)  # pixels: edges of the histogram of objects
FEW = (0, 1, 2, 3, 5, 10, 20, 50, 100)  # objects of an image
COUNTERS = ("class_labels", "label_matrix", "class_pixels")  # methods that a data set of the user's need not have


def label_counts(task: Task, data: DataModule) -> dict[str, Any]:
    """`counts`: of each class in `train` and `val`; of boxes also `sizes` at the network's input and `per_image`.

    {} for labels that nobody has counted yet.
    """
    splits = {"train": data.train, "val": data.val}
    found = {
        name: counts
        for name, mixed in splits.items()
        if mixed is not None and (counts := counts_of(task, mixed)) is not None
    }
    if not found:
        return {}
    unit = {"label": "images", "multilabel": "images", "boxes": "boxes", "mask": "pixels"}[task.target]
    entry: dict[str, Any] = {"unit": unit, "classes": task.class_names, "counts": found}
    if task.target == "boxes" and data.train is not None:
        sides = np.sqrt(data.object_sides().prod(1))
        entry["sizes"] = histogram(sides, [0, *SIZES.tolist()])
        numbers = np.concatenate([np.diff(boxes.ends) for boxes in boxes_of(data.train)] or [np.zeros(0)])
        entry["per_image"] = histogram(numbers, FEW)
    return entry


def counts_of(task: Task, mixed: Any) -> list[int] | None:
    """Of each class in a split; None if counting would read files, or the data set does not count."""
    try:
        return known_counts(task, mixed)
    except AttributeError as error:
        if error.name in COUNTERS:
            return None
        raise


def known_counts(task: Task, mixed: Any) -> list[int] | None:
    """See counts_of()."""
    classes = len(task.class_names)
    if task.target not in {kind for part in mixed.parts for kind in part.kinds}:
        return None
    if task.target == "label":
        return counted(mixed.class_labels(), classes)
    if task.target == "multilabel":
        return [int(count) for count in mixed.label_matrix().sum(0, dtype=np.int64)]
    if task.target == "boxes":
        every = boxes_of(mixed)
        return counted(np.concatenate([boxes.labels[~boxes.crowd] for boxes in every]), classes) if every else None
    if task.target == "mask" and all(is_counted(part.samples) for part in mixed.parts if "mask" in part.kinds):
        return [int(count) for count in mixed.class_pixels(classes)]
    return None


def counted(labels: NDArray[np.int64], classes: int) -> list[int]:
    """How often each class number occurs."""
    found: list[int] = np.bincount(labels, minlength=classes)[:classes].tolist()
    return found


def boxes_of(mixed: Any) -> list[PackedBoxes]:
    """The boxes of the sets that have some."""
    return [boxes for part in mixed.parts if isinstance(boxes := getattr(part.samples, "boxes", None), PackedBoxes)]


def is_counted(samples: Any) -> bool:
    """Whether the pixels of label maps are known already, as after the check of every file."""
    while samples is not None:
        if getattr(samples, "counted", None) is not None:
            return True
        samples = getattr(samples, "samples", None)
    return False


def histogram(values: NDArray[Any], edges: Sequence[float]) -> dict[str, list[float]]:
    """`edges`, and `counts` from each edge up to the next; the last one has no end."""
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)[1:]
    return {"edges": list(edges), "counts": counts.tolist()}
