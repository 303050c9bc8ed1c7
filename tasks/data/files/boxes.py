"""The boxes of a whole split in a few arrays: as they are for scoring, repaired for training."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError

NOTICED = 0.5  # pixels by which a box stands out of its image; files round, and less than that is rounding
SMALLEST = 1.0  # pixels a side: less than that shows nothing


class Repairs(NamedTuple):
    """Ids of the annotations that were repaired, by what was wrong.

    Attributes:
        clipped: stood out of the image.
        empty: less than a pixel wide or high within it: left out of training.
        broken: NaN or infinite: left out altogether.
    """

    clipped: NDArray[np.int64]
    empty: NDArray[np.int64]
    broken: NDArray[np.int64]

    def line(self, file: Path, name: Callable[[int], str] = "annotation {}".format) -> str:
        """One line that says so, with the name of an id; nothing where nothing was wrong."""
        parts = [
            f"{len(ids)} {what} ({name(ids[0])}{', …' if len(ids) > 1 else ''})"
            for what, ids in zip(("clipped", "without area left out", "not finite left out"), self, strict=True)
            if len(ids)
        ]
        return f"{file.name}: boxes {', '.join(parts)}" if parts else ""


class PackedBoxes:
    """All boxes of a split, image after image; worker processes share them without copying.

    Training sees them clipped to their image, without crowds and without what is then less than a pixel wide or high;
    scoring sees them as they are, as COCO's evaluation does. Boxes with NaN are left out of both.

    Args:
        image_ids: (N,) of the images.
        sizes: (N, 2) their heights and widths.
        owners: (A,) place of each box's image, in any order.
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

    def to_train(self, index: int) -> NDArray[np.float32]:
        """(K, 5) xyxy and class number of an image's boxes, repaired and without crowds; a copy."""
        return self.taught[self.taught_ends[index] : self.taught_ends[index + 1]].copy()

    def must_teach(self, file: Path) -> None:
        """Raises a UserError with the name of the boxes' file if there is nothing to train with."""
        if not len(self.taught):
            raise UserError(f"{file} has no box to learn from")

    def annotations(self, index: int) -> Annotations:
        """An image's boxes as the file has them."""
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
    """Each image's boxes (K, 5) to (N, T, 5), T the most of an image and at least 1; fill-up rows are of class -1."""
    packed = np.zeros((len(boxes), max(1, *map(len, boxes)), 5), np.float32)
    packed[:, :, 4] = -1
    for row, some in zip(packed, boxes, strict=True):
        row[: len(some)] = some
    return packed
