"""Small helpers for choosing colours."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
Choice = TypeVar("Choice")


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


def jitter(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    """The colour a little lighter or darker, and a little off in tone."""
    lightness, *tone = rng.normal(0, spread, 4).tolist()
    red, green, blue = (min(max(c + lightness + t / 3, 0), 255) for c, t in zip(colour, tone, strict=True))
    return red, green, blue


def jitter_all(rng: np.random.Generator, colours: NDArray, spread: float) -> list[Colour]:
    """`jitter` for each row of an (N, 3) array."""
    noise = rng.normal(0, spread, (len(colours), 4))
    return np.clip(colours + noise[:, :1] + noise[:, 1:] / 3, 0, 255).tolist()


def darker(colour: Colour, factor: float) -> Colour:
    """The colour times a factor below 1."""
    return colour[0] * factor, colour[1] * factor, colour[2] * factor
