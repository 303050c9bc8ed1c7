"""Whether probabilities are what they say, and a temperature that makes them so (Guo et al., ICML 2017)."""

import math

import numpy as np
from numpy.typing import NDArray

BINS = 15  # of equal width, as in the paper
COLDEST, HOTTEST = 0.05, 20.0  # a temperature outside would only follow a few images
AT_ONCE = 2**20  # numbers computed in float64 at once
STEPS = 60

Numbers = NDArray[np.floating]


def calibration_error(confidences: Numbers, right: NDArray[np.bool_]) -> float | None:
    """Expected calibration error (equation 3): how far confidence and accuracy differ, over bins of equal width.

    Sums are exact, so that the order of the images does not matter.

    Args:
        confidences: (N) the largest probability of each image.
        right: (N) whether its class is the true one.
    """
    if not len(confidences):
        return None
    bins = np.clip(np.ceil(confidences * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = (math.fsum(confidences[bins == each].tolist()) - int(right[bins == each].sum()) for each in np.unique(bins))
    return math.fsum(map(abs, gaps)) / len(confidences)


def best_temperature(logits: Numbers, labels: NDArray[np.integer]) -> float | None:
    """The temperature T with the least mean negative log-likelihood of softmax(logits / T), from 0.05 to 20.

    In 1/T the likelihood is concave: Newton's steps within a bracket that shrinks, in float64. The largest logit stays
    the largest, so no image changes its class. None without images or for logits that are not finite.

    Args:
        logits: (N, C).
        labels: (N) true classes.
    """
    if not len(logits) or not np.isfinite(logits).all():
        return None
    low, high = 1 / HOTTEST, 1 / COLDEST
    if slope(logits, labels, low)[0] >= 0:
        return HOTTEST
    if slope(logits, labels, high)[0] <= 0:
        return COLDEST
    sharpness = 1.0
    for _ in range(STEPS):
        first, second = slope(logits, labels, sharpness)
        low, high = (sharpness, high) if first < 0 else (low, sharpness)
        step = sharpness - first / second if second > 0 else low
        if not low < step < high:
            step = (low + high) / 2
        if abs(step - sharpness) <= 1e-12 * sharpness:
            break
        sharpness = step
    return 1 / sharpness


def slope(logits: Numbers, labels: NDArray[np.integer], sharpness: float) -> tuple[float, float]:
    """First and second derivative of the summed negative log-likelihood by 1/T, at 1/T = sharpness."""
    first, second = 0.0, 0.0
    step = max(1, AT_ONCE // logits.shape[1])
    for start in range(0, len(logits), step):
        part, own = logits[start : start + step].astype(np.float64), labels[start : start + step, None]
        part -= part.max(1, keepdims=True)
        shares = np.exp(sharpness * part)
        shares /= shares.sum(1, keepdims=True)
        mean = (shares * part).sum(1)
        first += float((mean - np.take_along_axis(part, own, 1)[:, 0]).sum())
        second += float(((shares * part * part).sum(1) - mean * mean).sum())
    return first, second
