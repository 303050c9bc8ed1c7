"""Whether an exported file predicts the same likeliest class as the checkpoint."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tasks.common.parity import TIES, Agreement, Parity, Result


class SameClass(Parity):
    """Share of the images with the same likeliest class."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 1.0, "fp16": 0.95, "bf16": 0.9, "int8": 0.75}

    def agreement(self, ours: Result, theirs: Result, _made_of: None, precision: str) -> Agreement:
        return same_class(ours, theirs, TIES[precision])

    def title(self, _agreements: Sequence[Agreement]) -> str:
        return "same likeliest class"


def same_class(ours: Result, theirs: Result, ties: float) -> Agreement:
    """Whether our likeliest class is theirs, or within this share of the largest value of being theirs."""
    first, second = (next(iter(result.values())) for result in (ours, theirs))
    near = second.max() - ties * np.abs(second).max()
    same = bool(second[first.argmax()] >= near and np.isfinite(second).all())
    return Agreement(int(same), 1, int(same and first.argmax() != second.argmax()))
