"""Score as a power law of the number of training images: score = a - b·n^-c, with a at most 1.

Hestness et al., Deep learning scaling is predictable, empirically (2017); Viering and Loog, The shape of learning
curves: a review (TPAMI 2022) on why an extrapolation is a guess whose form nothing guarantees.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.spread import Spread

EXPONENTS = np.geomspace(0.02, 3, 300)
DRAWS = 1000  # of the means within their noise, for the interval
BOUNDS = (0.05, 0.95)
LEAST_NOISE = 0.002  # of a mean: a fit need not be closer than this


class PowerLaw(NamedTuple):
    """score = a - b·n^-c.

    Attributes:
        error: largest distance from the means that it was fitted to.
    """

    a: float
    b: float
    c: float
    error: float

    def at(self, images: float) -> float:
        """The score with so many images."""
        return float(self.a - self.b * images**-self.c)


class Forecast(NamedTuple):
    """What twice the images of the largest share would bring.

    Attributes:
        law: fitted to the means.
        images: twice those of the largest share.
        score: that the law gives for them.
        gain: over the law's own value at the largest share.
        low, high: 90 % interval of the gain from the spread over seeds; None with one seed.
    """

    law: PowerLaw
    images: int
    score: float
    gain: float
    low: float | None
    high: float | None

    def format(self, name: str) -> str:
        """One line about a score of this name."""
        a, b, c, _ = self.law
        law = f"{a:.4f} - {b:.3g}·n^-{c:.2f}"
        noise = "no interval with one seed" if self.low is None else f"90 % within {self.low:+.4f} and {self.high:+.4f}"
        return f"{name} = {law}: {self.images:,} images would bring {self.score:.4f}, {self.gain:+.4f} ({noise})"


def fit(sizes: Sequence[float], scores: Sequence[float]) -> PowerLaw:
    """The law with the least squares; for every exponent of EXPONENTS a and b follow, with a ≤ 1 and b ≥ 0.

    Args:
        sizes: numbers of images, at least two different ones.
    """
    largest = max(sizes)
    x = (np.asarray(sizes, float) / largest)[None] ** -EXPONENTS[:, None]  # (E, N), 1 at the largest size
    y = np.asarray(scores, float)
    centred = x - x.mean(1, keepdims=True)
    b = -(centred @ (y - y.mean())) / (centred**2).sum(1)
    a = y.mean() + b * x.mean(1)
    above = a > 1  # a score is at most 1: then a = 1, and only b is free
    a, b = np.where(above, 1.0, a), np.where(above, x @ (1 - y) / (x**2).sum(1), b)
    flat = b < 0
    a, b = np.where(flat, y.mean(), a), np.where(flat, 0.0, b)
    distance = np.abs(a[:, None] - b[:, None] * x - y)
    best = int((distance**2).sum(1).argmin())
    c = float(EXPONENTS[best])
    return PowerLaw(float(a[best]), float(b[best]) * largest**c, c, float(distance[best].max()))


def forecast(sizes: Sequence[int], spreads: Sequence[Spread]) -> Forecast | str:
    """What twice the largest size would bring; or why nothing can be said.

    Two standard errors of a mean, pooled over all sizes, are noise: more images may score lower by so much, and the law
    may miss a mean by so much.

    The interval is that of the mean's noise alone: of DRAWS sets of means, each drawn around the measured ones by
    Student's t with the standard deviation pooled over all sizes. That the law holds further on is assumed.
    """
    if len(sizes) < 3:
        return f"{len(sizes)} sizes: three are needed to extrapolate"
    means = [spread.mean for spread in spreads]
    pairs = list(zip(sizes, means, strict=True))
    law, noise = fit(sizes, means), noises(spreads)
    allowed = 2 * max(LEAST_NOISE, 0.0 if noise is None else float(noise[0].max()))
    for (less, low), (more, high) in pairwise(pairs):
        if low - high > allowed:
            return (
                f"not monotone: {high:.4f} with {more:,} images, {low:.4f} with {less:,}, a drop of more than "
                f"{allowed:.4f}; nothing is extrapolated"
            )
    if law.error > allowed:
        return (
            f"no power law: the closest one misses a mean by {law.error:.4f}, more than {allowed:.4f}; nothing is "
            "extrapolated"
        )
    images = 2 * sizes[-1]
    gain = law.at(images) - law.at(sizes[-1])
    if noise is None:
        return Forecast(law, images, law.at(images), gain, None, None)
    errors, freedom = noise
    random = np.random.default_rng(0)
    gains = []
    for draw in np.asarray(means) + errors * random.standard_t(freedom, (DRAWS, len(means))):
        other = fit(sizes, draw)
        gains.append(other.at(images) - other.at(sizes[-1]))
    low, high = np.quantile(gains, BOUNDS).tolist()
    return Forecast(law, images, law.at(images), gain, low, high)


def noises(spreads: Sequence[Spread]) -> tuple[NDArray[np.float64], int] | None:
    """Standard error of every mean from the deviation pooled over all, and its degrees of freedom; None without any."""
    freedom = sum(spread.size - 1 for spread in spreads)
    if not freedom:
        return None
    squares = math.fsum((spread.size - 1) * (spread.sd or 0.0) ** 2 for spread in spreads)
    return np.sqrt(squares / freedom / np.asarray([spread.size for spread in spreads])), freedom
