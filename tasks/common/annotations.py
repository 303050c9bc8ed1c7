"""The boxes of an image as its data set's file has them: what detection is scored against."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HOLE = "-"  # name of a class that only fills a gap between category ids: nothing is ever of it


class Annotations(NamedTuple):
    """One image's truth, unrepaired and unscaled, in the precision that COCO's evaluation computes with.

    Attributes:
        image_id: as in the file.
        height, width: of the image's file, in pixels.
        boxes: (K, 4) float64 x, y, width, height in the file's pixels (COCO's xywh).
        labels: (K) int64 class numbers, from 0 in the data set's order.
        areas: (K) float64 of the objects, which decide what is small, medium or large.
        crowd: (K) bool, groups: ignored as COCO does.
    """

    image_id: int
    height: int
    width: int
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
