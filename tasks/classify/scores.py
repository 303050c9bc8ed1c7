"""Scores of image classification: accuracy, a report of each class, and calibration."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.classify.accuracy import Accuracy, ranks
from tasks.classify.output import ClassifyOutput
from tasks.classify.page import Ranking
from tasks.common.auroc import auroc
from tasks.common.calibration import AT_ONCE, best_temperature, calibration_error
from tasks.common.gathering import gather, joined

MOST = 2**28  # logits kept for rankings, of all processes: 1 GB


class ClassRow(NamedTuple):
    """Scores of one class against the rest; None where there is nothing to score.

    Attributes:
        images: whose true class it is.
        auroc, error: area under the ROC curve of its probability, and the standard error (tasks/common/auroc.py).
        right, wrong, missed: images that were predicted to be it and are, that are not, and that are but were not.
    """

    name: str
    images: int
    precision: float | None
    recall: float | None
    f1: float | None
    auroc: float | None
    error: float | None
    right: int
    wrong: int
    missed: int


class Sure(NamedTuple):
    """How sure the network was of each image.

    Attributes:
        confidences: (N) largest probability.
        right: (N) whether it is the true class's.
        surprise: (N) minus the logarithm of the true class's probability.
        brier: (N) squared distance of the probabilities from the truth.
    """

    confidences: NDArray[np.float64]
    right: NDArray[np.bool_]
    surprise: NDArray[np.float64]
    brier: NDArray[np.float64]

    def at(self, order: NDArray[np.intp]) -> "Sure":
        """The images in this order."""
        return Sure(self.confidences[order], self.right[order], self.surprise[order], self.brier[order])


class ClassifyScores(Accuracy):
    """Top-1 and top-5 accuracy; the mean of the classes' F1 and AUROC; calibration error, log-likelihood, Brier score.

    The logits of all images are kept for rankings and temperature, up to 1 GB; data with more has neither. The result
    does not depend on the order of the images, nor on the number of processes.

    Args:
        output: names the classes, and has the checkpoint's temperature.
        calibrates: whether to find a temperature for the scored images.

    Attributes:
        classes: after compute(): a row for each.
        ranking: after compute(): the images' logits and classes; None if they are too many to be kept.
        temperature: after compute(): that of all scored images; None without `calibrates`.
    """

    rows: list[Tensor]  # (N, 5) float64: confidence, right, surprise, Brier score, true class
    logits: list[Tensor]  # (N, C) float32
    predicted: Tensor  # (C) int64: images predicted to be each class

    def __init__(self, output: ClassifyOutput, calibrates: bool = False) -> None:
        super().__init__()
        self.dist_sync_fn = gather
        self.output, self.calibrates = output, calibrates
        self.classes: list[ClassRow] = []
        self.ranking: Ranking | None = None
        self.temperature: float | None = None
        self.add_state("rows", [], dist_reduce_fx="cat")
        self.add_state("logits", [], dist_reduce_fx="cat")
        self.add_state("predicted", torch.zeros(len(output.names), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        super().update(scores, labels)
        scores, labels = scores.detach().float().cpu(), labels.cpu().long()
        right = ranks(scores, labels) < 1
        found = torch.where(right, labels, scores.argmax(1))
        self.predicted += torch.bincount(found, minlength=len(self.output.names)).to(self.predicted.device)
        sure = sure_of(scores.numpy(), labels.numpy(), right.numpy())
        self.rows.append(torch.from_numpy(np.stack([*sure, labels.numpy()], 1)))
        processes = torch.distributed.get_world_size() if torch.distributed.is_initialized() else 1
        self.logits.append(scores)
        if sum(map(len, self.rows)) * scores.shape[1] * processes > MOST:
            self.logits.clear()

    def compute(self) -> dict[str, Any]:
        """As Accuracy; and `F1_macro`, `AUROC`, `ECE`, `NLL`, `Brier`, None where undefined.

        With a temperature from the checkpoint also `temperature`, `ECE_calibrated` and `NLL_calibrated`. If one is to
        be found, `ECE_held_out` and `NLL_held_out`: each half of the images with the temperature of the other half.
        """
        given, rows = super().compute(), joined(self.rows, 5).astype(np.float64)
        labels = rows[:, 4].astype(np.int64)
        sure = Sure(rows[:, 0], rows[:, 1] > 0, rows[:, 2], rows[:, 3])
        logits = joined(self.logits, len(self.output.names))
        ranked = len(logits) == len(rows)
        if ranked:
            order = np.lexsort((labels, sure.confidences, sure.surprise))  # the same for any number of processes
            logits, labels, sure = logits[order], labels[order], sure.at(order)
        self.classes = class_rows(self.output.names, labels, sure.right, self.predicted.cpu().numpy(), logits)
        self.ranking = Ranking.of(logits, labels) if ranked else None
        seen = [each for each in self.classes if each.images]
        scores = {
            "F1_macro": mean([each.f1 for each in seen]),
            "AUROC": mean([each.auroc for each in seen]) if ranked else None,
            **calibration("", sure),
            "Brier": finite_mean(sure.brier),
        }
        if ranked and self.output.temperature is not None:
            after = sure_of(logits / self.output.temperature, labels, sure.right)
            scores |= {"temperature": self.output.temperature, **calibration("_calibrated", after)}
        if ranked and self.calibrates:
            self.temperature = best_temperature(logits, labels)
            scores |= calibration("_held_out", held_out(logits, labels, sure.right))
        return {"top1": given["top1"], "top5": given["top5"], **scores, "images": given["images"]}


def sure_of(logits: NDArray[np.floating], labels: NDArray[np.int64], right: NDArray[np.bool_]) -> Sure:
    """Confidences and so on from logits (N, C), in float64."""
    surprise, confidences, brier = (np.empty(len(logits)) for _ in range(3))
    for part in parts_of(logits):
        values = torch.from_numpy(logits[part]).double().log_softmax(1).numpy()
        own = np.take_along_axis(values, labels[part, None], 1)[:, 0]
        shares = np.exp(values)
        surprise[part], confidences[part] = -own, shares.max(1)
        brier[part] = (shares * shares).sum(1) - 2 * np.exp(own) + 1
    return Sure(confidences, right, surprise, brier)


def parts_of(logits: NDArray[np.floating]) -> Iterator[slice]:
    """Yield rows of logits (N, C) to work on at once in float64."""
    step = max(1, AT_ONCE // max(1, logits.shape[1]))
    yield from (slice(first, first + step) for first in range(0, len(logits), step))


def held_out(logits: NDArray[np.floating], labels: NDArray[np.int64], right: NDArray[np.bool_]) -> Sure:
    """Every image with the temperature of the half that it is not in; which half is drawn, the same each time."""
    drawn = np.random.default_rng(0).permutation(len(logits))
    temperatures = np.ones((len(logits), 1))
    for half, other in ((drawn[::2], drawn[1::2]), (drawn[1::2], drawn[::2])):
        temperatures[half] = best_temperature(logits[other], labels[other]) or 1.0
    return sure_of(logits / temperatures, labels, right)


def calibration(suffix: str, sure: Sure) -> dict[str, float | None]:
    """`ECE` and `NLL` with a suffix; None for probabilities that are not numbers."""
    known = bool(np.isfinite(sure.confidences).all())
    error = calibration_error(sure.confidences, sure.right) if known else None
    return {f"ECE{suffix}": error, f"NLL{suffix}": finite_mean(sure.surprise)}


def class_rows(
    names: Sequence[str],
    labels: NDArray[np.int64],
    right: NDArray[np.bool_],
    predicted: NDArray[np.int64],
    logits: NDArray[np.float32],
) -> list[ClassRow]:
    """A row for each class from the images' labels (N), whether they were right (N), and their logits (N, C) or (0, C).

    Args:
        predicted: (C) images predicted to be each class.
    """
    true, hits = (np.bincount(each, minlength=len(names)).tolist() for each in (labels, labels[right]))
    norms = np.empty(len(logits))
    for part in parts_of(logits):
        norms[part] = torch.from_numpy(logits[part]).double().logsumexp(1).numpy()
    rows = []
    for c, name in enumerate(names):
        area = auroc(logits[:, c] - norms, labels[: len(logits)] == c)
        found, wrong, missed = int(predicted[c]), int(predicted[c]) - hits[c], true[c] - hits[c]
        total = 2 * hits[c] + wrong + missed
        precision = hits[c] / found if found else None
        recall = hits[c] / true[c] if true[c] else None
        f1 = 2 * hits[c] / total if total else None
        rows.append(ClassRow(name, true[c], precision, recall, f1, *area, hits[c], wrong, missed))
    return rows


def mean(values: Sequence[float | None]) -> float | None:
    """Mean of those that are numbers; None if there are none."""
    numbers = [value for value in values if value is not None]
    return math.fsum(numbers) / len(numbers) if numbers else None


def finite_mean(values: NDArray[np.float64]) -> float | None:
    """Mean from an exact sum; None without values, or if one is not finite."""
    return math.fsum(values.tolist()) / len(values) if len(values) and np.isfinite(values).all() else None
