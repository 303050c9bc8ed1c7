"""Anchor shapes fitted to boxes: k-means with 1 - IoU as the distance (Redmon and Farhadi, YOLO9000, CVPR 2017)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST = 20_000  # boxes to cluster: more of them move the means by less than a pixel
ROUNDS = 100


def shapes_of(sides: Floats, count: int) -> Floats:
    """At most `count` shapes (count, 2) that stand for boxes of these widths and heights (K, 2), small ones first.

    The result depends on the boxes alone: the first means are those of equal shares of the boxes, sorted by area.
    """
    sides = sides[np.argsort(sides.prod(1), kind="stable")]
    sides = sides[:: -(-len(sides) // MOST)]
    means = np.unique([part.mean(0) for part in np.array_split(sides, min(count, len(sides)))], axis=0)
    nearest = np.full(len(sides), -1)
    for _ in range(ROUNDS):
        now = overlap(sides, means).argmax(1)
        if (now == nearest).all():
            break
        nearest = now
        members = [sides[nearest == number] for number in range(len(means))]
        means = np.array([own.mean(0) if len(own) else mean for own, mean in zip(members, means, strict=True)])
    return means[np.argsort(means.prod(1), kind="stable")]


def overlap(sides: Floats, shapes: Floats) -> Floats:
    """IoU (K, S) of boxes and shapes around the same centre, by their widths and heights (K, 2) and (S, 2)."""
    shared = np.minimum(sides[:, None], shapes).prod(2)
    overlaps: Floats = shared / (sides.prod(1)[:, None] + shapes.prod(1) - shared)
    return overlaps
