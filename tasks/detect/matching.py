"""Matches detections to truths by COCO's rules: all images, categories and thresholds at once.

Detections and truths are compared only within their group: one category in one image.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tasks.detect.arrange import Flags, Floats, Integers

PART = 2**17  # pairs compared at a time: fits a cache


class Pairs(NamedTuple):
    """P detections and truths of the same group whose boxes overlap enough.

    Attributes:
        found, truth: (P) row numbers.
        iou: (P) intersection over union; relative to the detection's own area if the truth is a crowd.
    """

    found: Integers
    truth: Integers
    iou: Floats


class Matches(NamedTuple):
    """M matches at all thresholds, by threshold, then detection.

    Attributes:
        level: (M) number of the threshold.
        found, truth: (M) row numbers.
    """

    level: Integers
    found: Integers
    truth: Integers


def overlapping(
    found_boxes: Floats, found_group: Integers, truth_boxes: Floats, truth_group: Integers, crowd: Flags, least: float
) -> Pairs:
    """Pairs within a group with an IoU of at least `least`, by detection, then truth; boxes (D, 4), (G, 4) are xywh.

    Groups of detections (D) may be in any order, those of truths (G) are ascending.
    """
    parts = [Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for found, truth in pairs_in_parts(found_group, truth_group):
        iou = intersection_over_union(found_boxes[found], truth_boxes[truth], crowd[truth])
        enough = np.flatnonzero(iou >= least)
        parts.append(Pairs(found[enough], truth[enough], iou[enough]))
    return Pairs(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def pairs_in_parts(found_group: Integers, truth_group: Integers) -> Iterator[tuple[Integers, Integers]]:
    """Row numbers of all detections and truths of the same group, about PART pairs at a time."""
    start = np.searchsorted(truth_group, found_group, "left")
    count = np.searchsorted(truth_group, found_group, "right") - start
    rows = np.flatnonzero(count)
    ends = np.cumsum(count[rows])
    total = int(ends[-1]) if len(rows) else 0
    for part in np.split(rows, np.searchsorted(ends, np.arange(PART, total, PART))):
        first = np.cumsum(count[part]) - count[part]  # of each detection's pairs, within this part
        within = np.arange(count[part].sum()) - np.repeat(first, count[part])
        yield np.repeat(part, count[part]), np.repeat(start[part], count[part]) + within


def intersection_over_union(found: Floats, truth: Floats, crowd: Flags) -> Floats:
    """(P, 4), (P, 4) xywh, (P) -> (P); rounded like COCO's bbIou, which decides ties."""
    corner = np.minimum(found[:, :2] + found[:, 2:], truth[:, :2] + truth[:, 2:])
    width, height = (corner - np.maximum(found[:, :2], truth[:, :2])).T
    inside = width * height
    found_area, truth_area = found[:, 2] * found[:, 3], truth[:, 2] * truth[:, 3]
    union = np.where(crowd, found_area, found_area + truth_area - inside)
    result: Floats = np.divide(inside, union, out=np.zeros(len(found)), where=(width > 0) & (height > 0))
    return result


def match(pairs: Pairs, rank: Integers, crowd: Flags, ignored: Flags, thresholds: Floats) -> Matches:
    """Assign to each detection the truth it overlaps most, higher scores first, at each threshold independently.

    A truth is found once, a crowd any number of times. A truth that counts takes precedence over an ignored one,
    whatever the overlaps; for equal overlaps the later truth is taken. As groups are independent, all detections of one
    rank choose in one step, so there are at most 100 steps.

    Args:
        pairs: from `overlapping`.
        rank: (D) of a detection in its group.
        crowd, ignored: (G) truths that may be found many times; those that are neither right nor wrong to find.
        thresholds: (T) ascending.
    """
    order = np.lexsort((pairs.iou, pairs.found, rank[pairs.found]))  # stable: of equal overlaps the later truth is last
    found, truth, iou = (values[order] for values in pairs)
    near = iou[:, None] >= thresholds
    wish = np.arange(len(order)) + len(order) * ~ignored[truth]  # a detection gets its highest
    steps = np.searchsorted(rank[found], np.arange(rank.max(initial=-1) + 2))

    free = np.ones((len(crowd), len(thresholds)), bool)
    level, granted = [], []
    for start, end in pairwise(steps):
        if start == end:
            continue
        firsts = np.flatnonzero(np.diff(found[start:end], prepend=-1))
        possible = near[start:end] & free[truth[start:end]]
        best = np.maximum.reduceat(np.where(possible, wish[start:end, None], -1), firsts)  # (detections, T)
        row, levels = np.nonzero(best >= 0)
        pair = best[row, levels] % len(order)
        free[truth[pair], levels] = crowd[truth[pair]]
        level.append(levels)
        granted.append(pair)
    levels, pair = (np.concatenate((np.empty(0, np.int64), *values)) for values in (level, granted))
    order = np.lexsort((found[pair], levels))
    return Matches(levels[order], found[pair[order]], truth[pair[order]])
