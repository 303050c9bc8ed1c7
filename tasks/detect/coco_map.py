"""COCO's twelve numbers for boxes (Lin et al., ECCV 2014), equal to those of pycocotools' COCOeval.

Where pycocotools loops over 4 areas x images x categories x 10 thresholds in Python, here all pairs of boxes are one
flat array, the detections of all images are matched in common steps, and precision is computed only at right
detections.
"""

from typing import NamedTuple

import numpy as np

from tasks.detect.arrange import LIMIT, Arranged, Flags, Floats, Found, Integers, Truths, arrange
from tasks.detect.matching import Matches, Pairs, match, overlapping

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0, 1, 101)
AREAS = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
MOST = (1, 10, LIMIT)  # detections per category and image

# fmt: off
EVERY, AT_50, AT_75 = slice(None), slice(0, 1), slice(5, 6)  # of the thresholds
PRECISIONS = {  # thresholds, index of the area, index of the detection limit
    "mAP":        (EVERY, 0, 2),
    "mAP50":      (AT_50, 0, 2),
    "mAP75":      (AT_75, 0, 2),
    "mAP_small":  (EVERY, 1, 2),
    "mAP_medium": (EVERY, 2, 2),
    "mAP_large":  (EVERY, 3, 2),
}
RECALLED = {  # index of the area, index of the detection limit
    "AR1":       (0, 0),
    "AR10":      (0, 1),
    "AR100":     (0, 2),
    "AR_small":  (1, 2),
    "AR_medium": (2, 2),
    "AR_large":  (3, 2),
}
# fmt: on


class Result(NamedTuple):
    """Result of an evaluation; K categories, ascending by id.

    Attributes:
        categories: (K) ids.
        precision: (10, 101, K, 4, 3) at IoU thresholds 0.5 to 0.95, recalls 0 to 1, areas all, small, medium and large,
            for at most 1, 10 and 100 detections; -1 without truth.
        recall: (10, K, 4, 3), also -1 without truth.
        numbers: the twelve by name, as fractions, None without truth.
    """

    categories: Integers
    precision: Floats
    recall: Floats
    numbers: dict[str, float | None]

    def average_precision(self, thresholds: slice = EVERY) -> dict[int, float | None]:
        """AP by category id, over all or some IoU thresholds; None for a category without truth."""
        rows = self.precision[thresholds, :, :, 0, 2]
        return {int(category): mean(rows[:, :, k]) for k, category in enumerate(self.categories)}


def evaluate(truths: Truths, found: Found, images: Integers, categories: Integers) -> Result:
    """Score detections against the truths of the given image and category ids.

    Equal to pycocotools, ties included, except for its bug that an object with annotation id 0 is never found.
    Detections of other images and categories are ignored.
    """
    images, categories = np.unique(images), np.unique(categories)
    data = arrange(truths, found, images, categories)
    pairs = overlapping(
        data.found.boxes, data.found_group, data.truths.boxes, data.truth_group, data.truths.crowd, THRESHOLDS[0]
    )
    precision = np.empty((len(THRESHOLDS), len(RECALLS), len(categories), len(AREAS), len(MOST)))
    recall = np.empty((len(THRESHOLDS), len(categories), len(AREAS), len(MOST)))
    for number, (smallest, largest) in enumerate(AREAS.values()):
        precision[..., number, :], recall[..., number, :] = evaluate_area(
            data, pairs, len(categories), smallest, largest
        )
    return Result(categories, precision, recall, summary(precision, recall))


def evaluate_area(
    data: Arranged, pairs: Pairs, categories: int, smallest: float, largest: float
) -> tuple[Floats, Floats]:
    """Precision (10, 101, K, 3) and recall (10, K, 3) for truths whose area is in the closed range.

    Other truths are ignored like crowds, and so are unmatched detections of another area.
    """
    areas = data.truths.areas
    ignored = data.truths.crowd | (areas < smallest) | (areas > largest)
    matches = match(pairs, data.rank, data.truths.crowd, ignored, THRESHOLDS)
    areas = data.found.boxes[:, 2] * data.found.boxes[:, 3]
    counted = ~((areas < smallest) | (areas > largest))
    truths = np.bincount(data.truths.category[~ignored], minlength=categories)  # (K)
    results = [
        curves(
            data.found.category,
            counted & (data.rank < most),
            Matches(*(values[data.rank[matches.found] < most] for values in matches)),
            ignored,
            truths,
        )
        for most in MOST
    ]
    precisions, recalls = zip(*results, strict=True)
    return np.stack(precisions, -1), np.stack(recalls, -1)


def curves(
    category: Integers, counted: Flags, matches: Matches, ignored: Flags, truths: Integers
) -> tuple[Floats, Floats]:
    """Precision at 101 recalls and the last recall, (10, 101, K) and (10, K), -1 for a category without truth.

    Between two right detections precision falls while recall is constant. So the highest precision from any point on
    is that of a right detection; only those are evaluated, each with the number of detections counted up to it.

    Args:
        category: (D) numbers, ascending; within a category scores fall.
        counted: (D) detections that are wrong if unmatched.
        matches: at all thresholds.
        ignored: (G) truths.
        truths: (K) number of truths that are not ignored.
    """
    levels, categories = len(THRESHOLDS), len(truths)
    curve = matches.level * categories + category[matches.found]  # one of 10 K
    right = ~ignored[matches.truth]

    # a match may change whether a detection counts: a right one always counts, one on an ignored truth never
    change = np.cumsum(right.astype(np.int64) - counted[matches.found])
    change -= before(change, curve, levels * categories)[curve]
    total = np.cumsum(counted, dtype=np.int64)
    total -= before(total, category, categories)[category]
    so_far = (total[matches.found] + change)[right]

    amount = np.bincount(curve[right], minlength=levels * categories)  # right detections of each curve
    precision = interpolated(so_far, amount, np.tile(right_ones_needed(truths), (levels, 1)))
    precisions = precision.reshape(levels, categories, -1).transpose(0, 2, 1)
    recalls = amount.reshape(levels, categories) / np.maximum(truths, 1)
    precisions[..., truths == 0], recalls[..., truths == 0] = -1, -1
    return precisions, recalls


def interpolated(so_far: Integers, amount: Integers, needed: Integers) -> Floats:
    """The highest precision from each recall on, (C, 101) for C curves; 0 if a recall is not reached.

    Args:
        so_far: (R) for all right detections, curve by curve, the number of detections counted up to each.
        amount: (C) right detections of each curve.
        needed: (C, 101) number of right detections before the one that reaches a recall.
    """
    start = np.cumsum(amount) - amount
    right_so_far = np.arange(1, len(so_far) + 1) - np.repeat(start, amount)
    precision = right_so_far / (so_far + np.spacing(1))  # not quite 1 at the first, as in COCO's script
    reached = needed < amount[:, None]
    highest = np.zeros(needed.shape)
    highest[reached] = np.maximum.reduceat(precision, (start[:, None] + needed)[reached])  # until the next recall
    return np.maximum.accumulate(highest[:, ::-1], 1)[:, ::-1]


def before(cumulated: Integers, group: Integers, groups: int) -> Integers:
    """(groups) the value of a cumulated sum before each group, for ascending groups."""
    return np.concatenate(([0], cumulated))[np.searchsorted(group, np.arange(groups))]


def right_ones_needed(truths: Integers) -> Integers:
    """(K, 101) number of right detections before the one that reaches each recall, for (K) truths."""
    return np.stack([np.searchsorted(np.arange(1, count + 1) / count, RECALLS) for count in np.maximum(truths, 1)])


def summary(precision: Floats, recall: Floats) -> dict[str, float | None]:
    """The twelve numbers by name."""
    precisions = {name: mean(precision[rows, :, :, area, most]) for name, (rows, area, most) in PRECISIONS.items()}
    return precisions | {name: mean(recall[:, :, area, most]) for name, (area, most) in RECALLED.items()}


def mean(values: Floats) -> float | None:
    """Mean of the defined values, None if there are none."""
    values = values[values > -1]
    return float(values.mean()) if values.size else None
