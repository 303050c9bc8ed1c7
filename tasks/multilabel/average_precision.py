"""Average precision of a ranking, without interpolation (as in scikit-learn's average_precision_score)."""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]
Labels = NDArray[np.bool_]


def average_precision(scores: Scores, truth: Labels) -> float | None:
    """The sum over all thresholds of precision × gain in recall; None if nothing is positive.

        AP = Σ (R_n - R_(n-1)) · P_n

    Images with equal scores share a threshold, so their order does not matter. NaN ranks last.

    Args:
        scores: (N) of a class.
        truth: (N) whether each image has it.
    """
    positives = int(truth.sum())
    if not positives:
        return None
    scores = np.where(np.isnan(scores), -np.inf, scores)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(truth[order], dtype=np.int64)
    last = np.append(ranked[1:] != ranked[:-1], True)  # of equal scores
    precision = hits[last] / (np.flatnonzero(last) + 1)
    gained = np.diff(hits[last], prepend=0)
    return float((precision * gained).sum() / positives)


def f1(right: int, wrong: int, missed: int) -> float | None:
    """2·TP / (2·TP + FP + FN); None if there is nothing to find and nothing was found."""
    total = 2 * right + wrong + missed
    return 2 * right / total if total else None
