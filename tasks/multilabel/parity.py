"""Whether an exported file finds the same classes as the checkpoint."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tasks.common.parity import TIES, Agreement, Parity, Result
from tasks.multilabel.output import probabilities


class SameLabels(Parity):
    """Share of the classes, over all images, that both find or both do not, at a probability of 0.5."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 1.0, "fp16": 0.95, "bf16": 0.9, "int8": 0.75}

    def agreement(self, ours: Result, theirs: Result, _made_of: None, precision: str) -> Agreement:
        first, second = probabilities(dict(ours)), probabilities(dict(theirs))
        equal = (first >= 0.5) == (second >= 0.5)
        same = equal | (np.abs(first - 0.5) <= TIES[precision])
        known = np.isfinite(second)
        return Agreement(int((same & known).sum()), len(same), int((same & ~equal & known).sum()))

    def title(self, _agreements: Sequence[Agreement]) -> str:
        return "same labels"
