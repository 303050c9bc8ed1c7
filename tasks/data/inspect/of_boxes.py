"""Findings about boxes as they are in the file: outside their image, without area, inverted, doubled."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.data.files.boxes import NOTICED, SMALLEST, PackedBoxes
from tasks.data.inspect.finding import EXAMPLES, Finding, Level, Split, many

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]
DOUBLED = 0.95  # IoU of two boxes of a class in one image from which they are taken for one object


class Kind(NamedTuple):
    """One defect of boxes."""

    key: str
    level: Level
    text: str
    advice: str


INVERTED = Kind("boxes_inverted", "wrong", "with negative width or height", "swap their corners")
EMPTY = Kind("boxes_without_area", "look", "less than a pixel wide or high within the image", "remove them")
OUTSIDE = Kind("boxes_outside", "look", "reaching beyond the image", "clip them; training does, scoring does not")
TWICE = Kind("boxes_doubled", "look", f"on another of their class (IoU ≥ {DOUBLED})", "remove one of each pair")


def owners_of(boxes: PackedBoxes) -> Rows:
    """(A,) the image of each box."""
    return np.repeat(np.arange(len(boxes.sizes)), np.diff(boxes.ends))


def corners(boxes: PackedBoxes) -> Floats:
    """(A, 4) xyxy as in the file."""
    return np.concatenate((boxes.boxes[:, :2], boxes.boxes[:, :2] + boxes.boxes[:, 2:]), 1)


def findings_of_boxes(split: Split) -> Iterator[Finding]:
    """All findings about a split's boxes; nothing if it has none."""
    boxes = getattr(split.samples, "boxes", None)
    if not isinstance(boxes, PackedBoxes) or not len(boxes.boxes):
        return
    owners, whole = owners_of(boxes), corners(boxes)
    limits = np.tile(boxes.sizes[owners][:, ::-1], 2)
    clipped = np.clip(whole, 0, limits)
    inverted = (boxes.boxes[:, 2:] < 0).any(1)
    empty = (clipped[:, 2:] - clipped[:, :2] < SMALLEST).any(1) & ~inverted
    outside = (np.abs(clipped - whole) > NOTICED).any(1) & ~inverted & ~empty
    for kind, chosen in ((INVERTED, inverted), (EMPTY, empty), (OUTSIDE, outside)):
        yield from finding(split, kind, np.flatnonzero(chosen & ~boxes.crowd), owners, whole)
    yield from finding(split, TWICE, doubled(boxes), owners, whole)


def finding(split: Split, kind: Kind, rows: Rows, owners: Rows, whole: Floats) -> Iterator[Finding]:
    """A finding about some boxes, with an example from each of three images."""
    if not len(rows):
        return
    _, first = np.unique(owners[rows], return_index=True)
    chosen = rows[first[:EXAMPLES]]
    names = split.classes["boxes"]
    labels = split.samples.boxes.labels
    examples = [
        f"{split.file(index)}: {names[label]} at {x1:g}, {y1:g}, {x2 - x1:g}×{y2 - y1:g}"
        for index, label, (x1, y1, x2, y2) in zip(
            owners[chosen].tolist(), labels[chosen].tolist(), np.round(whole[chosen], 1).tolist(), strict=True
        )
    ]
    yield Finding(
        kind.key,
        kind.level,
        f"{many(len(rows), 'box', 'boxes')} of {len(whole):,} {kind.text}, in {many(len(first), 'image')}",
        len(rows),
        split.name,
        kind.advice,
        examples,
        [(split.name, index) for index in owners[chosen].tolist()],
        whole[chosen].tolist(),
    )


def doubled(boxes: PackedBoxes) -> Rows:
    """Rows of boxes that lie on an earlier one of the same class in the same image; crowds do not count."""
    owners, whole = owners_of(boxes), corners(boxes)
    rows = np.flatnonzero(~boxes.crowd & (boxes.boxes[:, 2:] > 0).all(1))
    rows = rows[np.lexsort((rows, boxes.labels[rows], owners[rows]))]
    group = owners[rows] * (int(boxes.labels.max(initial=0)) + 1) + boxes.labels[rows]
    found: list[Rows] = []
    starts, step = np.arange(len(rows)), 1  # each is compared with the one `step` places later in its group
    while True:
        starts = starts[starts + step < len(rows)]
        starts = starts[group[starts] == group[starts + step]]
        if not len(starts):
            break
        first, second = rows[starts], rows[starts + step]
        found.append(second[overlap(whole[first], whole[second]) >= DOUBLED])
        step += 1
    return np.unique(np.concatenate(found)) if found else np.empty(0, np.int64)


def overlap(one: Floats, other: Floats) -> Floats:
    """(P,) IoU of pairs of boxes (P, 4), xyxy, each with an area."""
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.maximum(sides, 0).prod(1)
    areas = [(each[:, 2:] - each[:, :2]).prod(1) for each in (one, other)]
    result: Floats = shared / (areas[0] + areas[1] - shared)
    return result
