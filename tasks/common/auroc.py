"""Area under the ROC curve of a ranking, with its standard error (DeLong, DeLong and Clarke-Pearson, 1988)."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Auroc(NamedTuple):
    """Attributes:
    area: probability that a positive image ranks above a negative one, equal scores counting half; None if one kind
        is missing.
    error: standard error of the area; None with fewer than two images of a kind.
    """

    area: float | None
    error: float | None


def auroc(scores: NDArray[np.floating], truth: NDArray[np.bool_]) -> Auroc:
    """The exact area under the ROC curve (the statistic of Mann and Whitney) of scores (N) by truth (N).

    Everything is counted in whole numbers, so that the order of the images does not matter. NaN ranks last.
    """
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if not positives or not negatives:
        return Auroc(None, None)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    ranks, own = doubled_ranks(scores), np.empty(len(scores), np.int64)
    own[truth], own[~truth] = doubled_ranks(scores[truth]), doubled_ranks(scores[~truth])
    beaten = ranks - own  # of a positive: twice the negatives below it; of a negative: twice the positives below it
    area = int(beaten[truth].sum()) / (2 * positives * negatives)
    if min(positives, negatives) < 2:
        return Auroc(area, None)
    spread = variance(beaten[truth]) / (4 * negatives**2) / positives
    spread += variance(beaten[~truth]) / (4 * positives**2) / negatives
    return Auroc(area, math.sqrt(spread))


def doubled_ranks(values: NDArray[np.floating]) -> NDArray[np.int64]:
    """Twice the rank of each value from 1 on; equal values share the mean of their ranks, which may end in a half."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last: NDArray[np.int64] = counts.cumsum()
    result: NDArray[np.int64] = (2 * last - counts + 1)[places]
    return result


def variance(numbers: NDArray[np.int64]) -> float:
    """Unbiased variance of whole numbers, two at least, from exact sums."""
    count, total, squares = len(numbers), int(numbers.sum()), int((numbers * numbers).sum())
    return (count * squares - total**2) / (count * (count - 1))
