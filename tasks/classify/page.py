"""What a classifier's run shows on its page: precision over recall, F1 over the probability, confusion matrix."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tasks.common.curves import Ranked, confusion, threshold_charts
from tasks.common.photos import THUMBNAIL, photo
from tasks.common.records import Picture, Record

LEAST = 0.02  # share of a class in a blended image that is worth a word
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


def sheet(images: Tensor, target: Tensor, names: Sequence[str], class_names: Sequence[str]) -> Record:
    """Training images (N, 3, H, W) with their classes (N), or the classes' shares (N, C) of blended ones."""
    pictures = []
    for image, label, name in zip(images, target.cpu(), names, strict=True):
        shares = (
            [] if label.ndim == 0 else [[k, round(float(label[k]), 4)] for k in label.topk(min(2, len(label))).indices]
        )
        truth = int(label) if label.ndim == 0 else [[int(k), share] for k, share in shares if share >= LEAST]
        size = (int(image.shape[1]), int(image.shape[2]))
        pictures.append(
            Picture({"name": name, "truth": truth}, {"image": ("jpg", photo(image, None, size, THUMBNAIL))})
        )
    return Record({"type": "classes", "classes": [{"name": name} for name in class_names]}, pictures)
