"""Input size, maps and anchors that suit the boxes to learn: what one would choose by hand from a look at them."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from backbones.base import Feature
from heads.base import first_announced
from tasks.detect.kmeans import shapes_of
from tasks.detect.reach import best_overlap

Floats = NDArray[np.float64]
Size = tuple[int, int]
Shapes = list[list[list[float]]]  # for each map (width, height) of its anchors, relative to the input's shorter side
MAPS = (("c3_expanded", "c3"), ("c4_expanded", "c4"), ("c5",))  # candidates; of each entry the first that exists
EXTRAS, MOST_EXTRAS = 256, 2  # channels of an additional map, and how many there are at most
USUAL = 320 * 320  # pixels of an input for boxes of usual size
FACTORS = (1.0, 1.5, 2.0)  # of its sides, for smaller ones
FEW = 0.05  # share of the boxes that does not decide
CELLS, MANY = 2.5, 8.0  # a box belongs to the coarsest map of which it covers 2.5 cells a side; over 8 are too many
PER_CELL, REACHED = (3, 4, 5, 6), 0.98  # shapes on each map: the fewest with which so many boxes have an anchor


def ratio_of(sizes: NDArray[np.int64]) -> float:
    """Median ratio of width to height of images, from their heights and widths (N, 2)."""
    return math.exp(float(np.median(np.log(sizes[:, 1] / sizes[:, 0]))))


def input_size(sizes: NDArray[np.int64], shares: Floats, finest: int, most: int) -> Size:
    """(height, width), divisible by 32: near 320×320 pixels, and more if many boxes are smaller than a cell of a map.

    Args:
        sizes: (N, 2) heights and widths of the images.
        shares: (K, 2) widths and heights of the boxes, as shares of their images'.
        finest: reduction of the finest map.
        most: pixels of the largest input. It has no more than the files either, unless that is less than 320×320.
    """
    limit = min(most, max(USUAL, float(np.median(sizes.prod(1)))))
    for factor in FACTORS:
        size = proportioned(ratio_of(sizes), min(USUAL * factor**2, limit), most)
        tiny = (shares * size[::-1]).max(1) < finest
        if tiny.mean() <= FEW or USUAL * factor**2 >= limit:
            break
    return size


def proportioned(ratio: float, pixels: float, most: int) -> Size:
    """(height, width), divisible by 32, with about this ratio of width to height and about so many pixels."""

    def misfit(size: Size) -> float:
        height, width = size
        return abs(math.log(width / height / ratio)) + 0.5 * abs(math.log(width * height / pixels))

    sides = range(32, 32 * (int(math.sqrt(8 * pixels)) // 32 + 2), 32)
    return min(((height, width) for height in sides for width in sides if height * width <= most), key=misfit)


def candidates(features: Mapping[str, Feature]) -> dict[int, list[str]]:
    """The maps that a head may read, by reduction, the finest first; each as an entry of head.maps.

    With output_stride=16, c5 has the reduction of c4, and takes its place: it is the deeper one.

    Raises:
        ValueError: if the backbone has none of them.
    """
    there: dict[int, list[str]] = {}
    for names in MAPS:
        if first := next((name for name in names if name in features), None):
            there[features[first].reduction] = [*names]
    if not there:
        known = ", ".join(name for names in MAPS for name in names)
        raise ValueError(f"fitted.keys: the backbone has none of {known}, only {', '.join(features)}")
    return dict(sorted(there.items()))


def maps_for(features: Mapping[str, Feature], across: Floats) -> tuple[list[list[str]], list[int]]:
    """head.maps and head.extras for boxes: as fine as the small ones need, and none coarser than the large ones do.

    Args:
        across: (K,) root of the boxes' areas in pixels of the input.
    """
    there = candidates(features)
    finest = next((r for r in reversed(there) if (across < CELLS * r).mean() <= FEW), min(there))
    finer = [r for r in there if r >= finest]
    usual = max((r for r in finer if float(np.median(across)) >= CELLS * r), default=finest)
    coarsest = next((r for r in finer if r >= usual and (across > MANY * r).mean() <= FEW), finer[-1])
    extras: list[int] = []
    while len(extras) < MOST_EXTRAS and (across > MANY * coarsest * 2 ** len(extras)).mean() > FEW:
        extras.append(EXTRAS)
    return [there[r] for r in finer if r <= coarsest], extras


def reductions_of(
    features: Mapping[str, Feature], maps: Sequence[str | Sequence[str]], extras: Sequence[int]
) -> list[int]:
    """Reductions of the maps and of those that follow the last one."""
    own = [features[first_announced(features, names)].reduction for names in maps]
    return [*own, *(own[-1] * 2**step for step in range(1, len(extras) + 1))]


def anchors_for(boxes: Floats, reductions: Sequence[int], size: Size, threshold: float) -> Shapes:
    """Shapes of the anchors on each map, by k-means of the boxes that belong to it: the fewest that reach enough of
    the boxes, or those that reach most.

    Args:
        boxes: (K, 4) absolute xyxy in inputs of this (height, width).
        threshold: IoU from which an anchor learns a box.
    """
    best: tuple[float, Shapes] = (-1.0, [])
    for count in PER_CELL:
        shapes = clustered(boxes, reductions, count, min(size))
        share = reached(boxes, shapes, reductions, size, threshold)
        if share > best[0]:
            best = (share, shapes)
        if share >= REACHED:
            break
    return best[1]


def clustered(boxes: Floats, reductions: Sequence[int], count: int, shorter: int) -> Shapes:
    """At most `count` shapes on each map; maps of the same reduction share its boxes by their size."""
    sides = boxes[:, 2:] - boxes[:, :2]
    across = np.sqrt(sides.prod(1))
    steps = sorted(set(reductions))
    edges = [0.0, *(CELLS * r for r in steps[1:]), math.inf]
    found: Shapes = []
    for reduction, low, high in zip(steps, edges, edges[1:], strict=False):
        alike = reductions.count(reduction)
        own = sides[(across >= low) & (across < high)]
        if len(own) < count * alike:  # squares from one end of the map's range to the other
            own = np.geomspace(CELLS * reduction, MANY * reduction, count * alike)[:, None].repeat(2, 1)
        shapes = np.round(shapes_of(own, count * alike) / shorter, 4).tolist()
        found += shared_out([*map(list, dict.fromkeys(map(tuple, shapes)))], alike)
    return found


def shared_out(shapes: list[list[float]], maps: int) -> Shapes:
    """The shapes in order, on so many maps; those without one of their own have the last one."""
    return [[shapes[i] for i in part] or shapes[-1:] for part in np.array_split(np.arange(len(shapes)), maps)]


def reached(
    boxes: Floats, shapes: Sequence[Sequence[Sequence[float]]], reductions: Sequence[int], size: Size, threshold: float
) -> float:
    """Share of the boxes that some anchor overlaps with at least this IoU."""
    cells = [(-(-size[0] // r), -(-size[1] // r)) for r in reductions]
    levels = [[(width, height) for width, height in level] for level in shapes]
    return float((best_overlap(boxes, levels, cells, size) >= threshold).mean())


def epochs_for(images: int) -> int:
    """Passes over so many training images, from scratch: 60, and up to 120 for fewer images, in tens."""
    return 10 * round(min(120.0, max(60.0, 13_000 / max(images, 1))) / 10)
