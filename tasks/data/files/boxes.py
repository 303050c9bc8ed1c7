"""The boxes of a whole split in a few arrays: unchanged for scoring, repaired for training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError

NOTICED = 0.5  # pixels that a box may exceed its image by; less is rounding in the file
SMALLEST = 1.0  # pixels a side: less shows nothing


class Repairs(NamedTuple):
    """Ids of the repaired annotations, by defect.

    Attributes:
        clipped: exceeded the image.
        empty: less than a pixel wide or high within the image: left out of training.
        broken: NaN or infinite: left out entirely.
    """

    clipped: NDArray[np.int64]
    empty: NDArray[np.int64]
    broken: NDArray[np.int64]

    def line(self, file: Path, name: Callable[[int], str] = "annotation {}".format) -> str:
        """One line that reports the repairs, with the first id named by `name`; '' if there are none."""
        parts = [
            f"{len(ids)} {what} ({name(ids[0])}{', …' if len(ids) > 1 else ''})"
            for what, ids in zip(("clipped", "without area left out", "not finite left out"), self, strict=True)
            if len(ids)
        ]
        return f"{file.name}: boxes {', '.join(parts)}" if parts else ""


class PackedBoxes:
    """All boxes of a split, image by image; worker processes share them without copying.

    For training they are clipped to their image, without crowds and without boxes that are then less than a pixel wide
    or high. Scoring uses them unchanged, like COCO's evaluation. Boxes with NaN are left out of both.

    Args:
        image_ids: (N,) of the images.
        sizes: (N, 2) heights and widths of the images.
        owners: (A,) index of each box's image, in any order.
        boxes: (A, 4) x, y, width, height in pixels.
        labels: (A,) class numbers.
        areas: (A,) of the objects.
        crowd: (A,) bool.
        ids: (A,) of the annotations, for messages.
    """

    def __init__(
        self,
        image_ids: NDArray[np.int64],
        sizes: NDArray[np.int64],
        owners: NDArray[np.int64],
        boxes: NDArray[np.float64],
        labels: NDArray[np.int64],
        areas: NDArray[np.float64],
        crowd: NDArray[np.bool_],
        ids: NDArray[np.int64],
    ) -> None:
        finite = np.isfinite(boxes).all(1)
        order = np.flatnonzero(finite)[np.argsort(owners[finite], kind="stable")]
        self.image_ids, self.sizes = image_ids, sizes
        self.ends = np.cumsum([0, *np.bincount(owners[order], minlength=len(image_ids))])
        self.boxes, self.labels, self.areas, self.crowd = boxes[order], labels[order], areas[order], crowd[order]

        whole = np.concatenate((self.boxes[:, :2], self.boxes[:, :2] + self.boxes[:, 2:]), 1)
        clipped = np.clip(whole, 0, np.tile(sizes[owners[order]][:, ::-1], 2))
        empty = (clipped[:, 2:] - clipped[:, :2] < SMALLEST).any(1)
        kept = ~empty & ~self.crowd
        self.taught = np.column_stack((clipped[kept], self.labels[kept])).astype(np.float32)
        self.taught_ends = np.concatenate(([0], np.cumsum(kept)))[self.ends]
        outside = (np.abs(clipped - whole) > NOTICED).any(1)
        self.repairs = Repairs(ids[order][outside & kept], ids[order][empty & ~self.crowd], ids[~finite])

    def of(self, images: Sequence[int]) -> "PackedBoxes":
        """The boxes of some images, in this order; without annotation ids, which only messages about the whole need."""
        counts = np.diff(self.ends)[images]
        rows = np.concatenate([np.arange(self.ends[index], self.ends[index + 1]) for index in images])
        return PackedBoxes(
            self.image_ids[images],
            self.sizes[images],
            np.repeat(np.arange(len(images)), counts),
            self.boxes[rows],
            self.labels[rows],
            self.areas[rows],
            self.crowd[rows],
            np.zeros(len(rows), np.int64),
        )

    def to_train(self, index: int) -> NDArray[np.float32]:
        """(K, 5) xyxy and class number of an image's boxes, repaired, without crowds, copied."""
        return self.taught[self.taught_ends[index] : self.taught_ends[index + 1]].copy()

    def must_teach(self, file: Path) -> None:
        """Raises a UserError that names the boxes' file if there is no box to train with."""
        if not len(self.taught):
            raise UserError(f"{file} has no box to learn from")

    def annotations(self, index: int) -> Annotations:
        """An image's boxes as in the file."""
        part = slice(self.ends[index], self.ends[index + 1])
        height, width = self.sizes[index].tolist()
        return Annotations(
            int(self.image_ids[index]),
            height,
            width,
            self.boxes[part],
            self.labels[part],
            self.areas[part],
            self.crowd[part],
        )


def pack(boxes: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Pad each image's boxes (K, 5) to (N, T, 5), T the largest K and at least 1; padding rows have class -1."""
    packed = np.zeros((len(boxes), max(1, *map(len, boxes)), 5), np.float32)
    packed[:, :, 4] = -1
    for row, some in zip(packed, boxes, strict=True):
        row[: len(some)] = some
    return packed
