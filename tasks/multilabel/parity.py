"""Whether an exported file finds the same classes as the checkpoint."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from tasks.common.parity import Counts, Parity, Result
from tasks.multilabel.output import probabilities


class SameLabels(Parity):
    """Share of the classes, over all images, that both find or both do not, at a probability of 0.5."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 0.99, "fp16": 0.95, "bf16": 0.9, "int8": 0.75}

    def counts(self, ours: Result, theirs: Result, _made_of: None, ties: float) -> Counts:
        first, second = probabilities(dict(ours)), probabilities(dict(theirs))
        same = ((first >= 0.5) == (second >= 0.5)) | (np.abs(first - 0.5) <= ties)
        return int((same & np.isfinite(second)).sum()), len(same)

    def title(self, _counts: Sequence[Counts]) -> str:
        return "same labels"
