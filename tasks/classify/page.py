"""What a classifier's run shows on its page: precision over recall, F1 over the probability, confusion matrix."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.common.curves import Ranked, confusion, threshold_charts

MOST = 2**24  # logits for which curves are drawn: 64 MB


class Ranking(NamedTuple):
    """The scored images: logits (N, C), their true classes (N) and the predicted ones (N)."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]

    @classmethod
    def of(cls, logits: NDArray[np.float32], labels: NDArray[np.int64]) -> "Ranking":
        """Without the logits if they are more than curves are drawn of."""
        return cls(logits if logits.size <= MOST else logits[:0].copy(), labels, logits.argmax(1))


def curves(ranking: Ranking, names: Sequence[str], temperature: float | None) -> dict[str, Any]:
    """One class against the rest.

    Args:
        temperature: divides the logits; None for 1.
    """
    logits, labels, predicted = ranking
    classes = len(names)
    counts = np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)
    found: dict[str, Any] = {"confusion": confusion(names, names, counts, "Images by true and likeliest class.")}
    if not len(logits):
        return found
    shares = torch.from_numpy(logits / (temperature or 1.0)).softmax(1).numpy()
    ranked = {}
    for k, name in enumerate(names):
        true = labels == k
        ranked[name] = Ranked.of(shares[:, k], true, int(true.sum()))
    note = "Each class against the rest: what its probability says alone, whether or not another class is likelier."
    return found | threshold_charts(ranked, "probability") | {"note": note}
