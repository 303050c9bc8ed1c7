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
    present, absent = np.sort(scores[truth]), np.sort(scores[~truth])
    beaten = twice_below(present, absent)
    area = int(beaten.sum()) / (2 * positives * negatives)
    if min(positives, negatives) < 2:
        return Auroc(area, None)
    spread = variance(beaten) / (4 * negatives**2) / positives
    spread += variance(twice_below(absent, present)) / (4 * positives**2) / negatives
    return Auroc(area, math.sqrt(spread))


def twice_below(values: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.int64]:
    """For each value twice the number of the sorted others below it, an equal one counting half."""
    return np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")


def variance(numbers: NDArray[np.int64]) -> float:
    """Unbiased variance of whole numbers, two at least, from exact sums."""
    count, total, squares = len(numbers), int(numbers.sum()), int((numbers * numbers).sum())
    return (count * squares - total**2) / (count * (count - 1))
