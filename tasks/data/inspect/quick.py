"""What the inspection finds without decoding an image: said before every training."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tasks.common.annotations import HOLE
from tasks.data.files.boxes import PackedBoxes
from tasks.data.inspect.finding import many, some
from tasks.data.inspect.of_boxes import doubled
from tasks.data.inspect.of_labels import counted_boxes, counted_labels, kinds_of, names_of
from tasks.data.loading.split_checks import parts_of


def quick_lines(train: Any, val: Any, classes: Mapping[str, Sequence[Any]]) -> list[str]:
    """At most three lines about doubled boxes, and classes that are trained but never scored."""
    found = [*twice(train), *unscored(train, val, classes)]
    return [f"{line}; python -m tasks.doctor shows them" for line in found[:3]]


def twice(train: Any) -> Iterator[str]:
    """Training boxes that lie on another of their class."""
    counts = [len(doubled(boxes)) for boxes in map(boxes_of, parts_of(train)) if boxes is not None]
    if sum(counts):
        yield f"{many(sum(counts), 'training box', 'training boxes')} on another of the same class"


def boxes_of(samples: Any) -> PackedBoxes | None:
    """The boxes of a split, if it has any."""
    boxes = getattr(samples, "boxes", None)
    return boxes if isinstance(boxes, PackedBoxes) and len(boxes.boxes) else None


def unscored(train: Any, val: Any, classes: Mapping[str, Sequence[Any]]) -> Iterator[str]:
    """Classes of boxes or images that are trained, but of which val has none."""
    for kind in ("boxes", "label"):
        names = names_of(classes.get(kind, ()))
        learned, scored = (counted(samples, kind, classes) for samples in (train, val))
        absent = [name for name, a, b in zip(names, learned, scored, strict=True) if a and not b and name != HOLE]
        if absent:
            yield f"no {'box' if kind == 'boxes' else 'image'} of {some(absent)} in val: not scored"


def counted(samples: Any, kind: str, classes: Mapping[str, Sequence[Any]]) -> list[int]:
    """How many boxes or images of each class a split has."""
    count = len(classes.get(kind, ()))
    total = np.zeros(count, np.int64)
    for part in parts_of(samples):
        if kind in kinds_of(part, {kind: ()}):
            total += counted_boxes(part.boxes, count) if kind == "boxes" else counted_labels(part.labels, count)
    return total.tolist()
