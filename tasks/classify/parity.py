"""Whether an exported file predicts the same likeliest class as the checkpoint."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tasks.common.parity import Counts, Parity, Result


class SameClass(Parity):
    """Share of the images with the same likeliest class."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 0.99, "fp16": 0.95, "bf16": 0.9, "int8": 0.75}

    def counts(self, ours: Result, theirs: Result, _made_of: None, ties: float) -> Counts:
        return same_class(ours, theirs, ties)

    def title(self, _counts: Sequence[Counts]) -> str:
        return "same likeliest class"


def same_class(ours: Result, theirs: Result, ties: float) -> Counts:
    """Whether our likeliest class is theirs, or within this share of the largest value of being theirs."""
    first, second = (next(iter(result.values())) for result in (ours, theirs))
    near = second.max() - ties * np.abs(second).max()
    return int(second[first.argmax()] >= near and bool(np.isfinite(second).all())), 1
