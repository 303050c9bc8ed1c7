"""Which boxes a detector's anchors reach: without making the anchors, of which there are thousands."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def best_overlap(
    boxes: Floats,
    shapes: Sequence[Sequence[tuple[float, ...]]],
    cells: Sequence[tuple[int, int]],
    size: tuple[int, int],
) -> Floats:
    """(K,) the highest IoU of each box with any anchor (heads/anchors.py).

    Of all anchors of one shape on one map, the one with the nearest centre in x and in y overlaps a box most, so one
    anchor for each shape of each map is enough.

    Args:
        boxes: (K, 4) xyxy in the network's input.
        shapes: for each map, the (width, height) of its anchors, relative to the input's shorter side.
        cells: (height, width) of each map.
        size: (height, width) of the input.
    """
    best = np.zeros(len(boxes))
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    counts = np.array(size[::-1], np.float64)
    for level, (rows, columns) in zip(shapes, cells, strict=True):
        grid = np.array([columns, rows])
        step = counts / grid
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2
        centres = (np.clip(np.floor(middle / step), 0, grid - 1) + 0.5) * step
        for shape in level:
            half = np.array(shape) * min(size) / 2
            sides = np.minimum(boxes[:, 2:], centres + half) - np.maximum(boxes[:, :2], centres - half)
            shared = np.maximum(sides, 0).prod(1)
            best = np.maximum(best, shared / np.maximum(areas + (2 * half).prod() - shared, 1e-9))
    return best
