"""Whether an exported file's label maps match the checkpoint's."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.parity import TIES, Agreement, Parity, Result, but_for_ties


class Logits(NamedTuple):
    """Logits from which the checkpoint's label map was made.

    Attributes:
        values: (C, h, w).
        size: (height, width) at which the argmax was taken.
    """

    values: NDArray[np.float32]
    size: tuple[int, int]


class SamePixels(Parity):
    """Share of the pixels with the same label, in the worst image."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 1.0, "fp16": 0.999, "bf16": 0.99, "int8": 0.85}

    def agreement(self, ours: Result, theirs: Result, made_of: Logits | None, precision: str) -> Agreement:
        return same_pixels(ours, theirs, made_of, TIES[precision])

    def title(self, agreements: Sequence[Agreement]) -> str:
        return f"same label, worst image{but_for_ties(agreements)}"

    def share(self, agreements: Sequence[Agreement]) -> float:
        return min(each.same / each.total for each in agreements)

    def unseen(self, results: Sequence[Result], classes: Sequence[str], form: str) -> str:
        """Classes that no label map shows. Logits prove them without a pixel."""
        if form == "raw":
            return ""
        seen = set(np.concatenate([np.unique(result["labels"]) for result in results]).tolist())
        missing = [name for number, name in enumerate(classes) if number not in seen]
        return f"no pixel is {', '.join(missing)}" if missing else ""


def same_pixels(ours: Result, theirs: Result, made_of: Logits | None, ties: float) -> Agreement:
    """Number of pixels with the same label and of all pixels; the first is 0 for maps of different sizes.

    Args:
        ties: a label counts as equal to another whose logit is larger by at most this share of the largest logit.
    """
    labels, others = ours["labels"], theirs["labels"]
    if labels.shape != others.shape:
        return Agreement(0, labels.size)
    rows, columns = np.nonzero(labels != others)
    tied = 0
    if made_of is not None and ties and len(rows):
        first, second = labels[rows, columns], others[rows, columns]
        known = second < len(made_of.values)  # a file may give any other number as a label
        at = [
            (2 * places[known] + 1) * new // (2 * old)
            for places, new, old in zip((rows, columns), made_of.size, labels.shape, strict=True)
        ]
        lead = logits_at(made_of, first[known], *at) - logits_at(made_of, second[known], *at)
        tied = int((lead <= ties * np.abs(made_of.values).max()).sum())
    return Agreement(labels.size - len(rows) + tied, labels.size, tied)


def logits_at(made_of: Logits, labels: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
    """Logits of these labels (K) at these pixels (K), interpolated as in the label map."""
    values, (height, width) = made_of.values, made_of.size
    above, below, down = (part[rows] for part in neighbours(values.shape[1], height))
    left, right, across = (part[columns] for part in neighbours(values.shape[2], width))
    upper = values[labels, above, left] * (1 - across) + values[labels, above, right] * across
    lower = values[labels, below, left] * (1 - across) + values[labels, below, right] * across
    result: NDArray[np.float32] = upper * (1 - down) + lower * down
    return result


def neighbours(old: int, new: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float32]]:
    """The two old pixels each new one lies between, and its distance from the first; rounded as torch does."""
    at = np.maximum((np.arange(new, dtype=np.float32) + np.float32(0.5)) * np.float32(old / new) - np.float32(0.5), 0)
    first = np.minimum(at.astype(int), old - 1)
    return first, np.minimum(first + 1, old - 1), at - first.astype(np.float32)
