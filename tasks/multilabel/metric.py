"""Scores of multi-label classification over all images: mean average precision, and F1 at a threshold."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from tasks.common.auroc import auroc
from tasks.common.gathering import gather, joined
from tasks.multilabel.average_precision import average_precision, f1


class ClassScores(NamedTuple):
    """Scores of one class; None where there is nothing to score.

    Attributes:
        images: that have it.
        right, wrong, missed: images where it was found and is there, found and is not, not found and is.
        auroc, error: area under the ROC curve, and its standard error (tasks/common/auroc.py).
    """

    name: str
    images: int
    precision: float | None
    f1: float | None
    right: int
    wrong: int
    missed: int
    auroc: float | None
    error: float | None


class MultiLabelScores(Metric):
    """Average precision of each class and their mean, F1 (micro and macro), and the share of images all right.

    Classes that no image has are left out of the means. After compute(), `classes` has the scores of each class, and
    `ranking` the logits (N, C) and truths (N, C).

    Args:
        names: of the classes.
        threshold: probability from which a class counts as found.
    """

    full_state_update = False
    higher_is_better = True

    logits: list[Tensor]  # (N, C) float32, on the CPU
    truths: list[Tensor]  # (N, C) uint8

    classes: list[ClassScores]
    ranking: tuple[NDArray[np.float32], NDArray[np.bool_]]

    def __init__(self, names: Sequence[str], threshold: float) -> None:
        super().__init__(dist_sync_fn=gather)
        self.names, self.threshold = list(names), threshold
        for state in ("logits", "truths"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def update(self, logits: Tensor, truth: Tensor) -> None:
        """Add logits (N, C) and labels (N, C), 0 or 1.

        Raises:
            ValueError: for other labels.
        """
        if truth.shape != logits.shape or bool(((truth != 0) & (truth != 1)).any()):
            raise ValueError(f"labels {tuple(truth.shape)} are not 0 or 1 for each of {tuple(logits.shape)} logits")
        self.logits.append(logits.detach().float().cpu())
        self.truths.append(truth.to(torch.uint8).cpu())

    def compute(self) -> dict[str, Any]:
        """`mAP`, `F1` (micro), `F1_macro`, `exact` and `AP/<class>` as fractions, None without truth; `images`."""
        logits, truths = joined(self.logits, len(self.names)), joined(self.truths, len(self.names)) > 0
        found = are_found(logits, self.threshold)
        self.ranking = logits, truths
        self.classes = [
            scores_of(name, logits[:, place], found[:, place], truths[:, place])
            for place, name in enumerate(self.names)
        ]
        seen = [each for each in self.classes if each.images]
        totals = (sum(getattr(each, name) for each in self.classes) for name in ("right", "wrong", "missed"))
        images = len(logits)
        return {
            "mAP": mean([each.precision for each in seen]),
            "F1": f1(*totals),
            "F1_macro": mean([each.f1 for each in seen]),
            "exact": float((found == truths).all(1).mean()) if images else None,
            **{f"AP/{each.name}": each.precision for each in self.classes},
            "images": images,
        }


def are_found(logits: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
    """Where the probability is at least the threshold; compared as logits, which do not saturate. NaN is below."""
    result: NDArray[np.bool_] = logits >= np.log(threshold / (1 - threshold))
    return result


def scores_of(
    name: str, logits: NDArray[np.float32], found: NDArray[np.bool_], truth: NDArray[np.bool_]
) -> ClassScores:
    """Scores of one class from its logits (N), whether they are found (N) and true (N)."""
    right, wrong, missed = (int(each.sum()) for each in (found & truth, found & ~truth, ~found & truth))
    precision = average_precision(logits, truth)
    area = auroc(logits, truth)
    return ClassScores(name, int(truth.sum()), precision, f1(right, wrong, missed), right, wrong, missed, *area)


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are numbers; None if there are none."""
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None
