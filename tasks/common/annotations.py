"""The boxes of an image as in the data set's file: the ground truth for scoring detection."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

HOLE = "-"  # class name that fills a gap between category ids; no object has it


class Annotations(NamedTuple):
    """One image's ground truth, unrepaired and unscaled, in the precision of COCO's evaluation.

    Attributes:
        image_id: as in the file.
        height, width: of the image file, in pixels.
        boxes: (K, 4) float64 x, y, width, height in file pixels (COCO's xywh).
        labels: (K) int64 class numbers, from 0 in the data set's order.
        areas: (K) float64, object areas; they decide what counts as small, medium or large.
        crowd: (K) bool, groups of objects, ignored as in COCO.
    """

    image_id: int
    height: int
    width: int
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
