"""What a multi-label run shows on its page: precision over recall, and F1 over the probability."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from tasks.common.curves import Ranked, threshold_charts
from tasks.common.photos import THUMBNAIL, photo
from tasks.common.records import Picture, Record

MOST = 2**24  # logits for which curves are drawn: 64 MB


def curves(logits: NDArray[np.float32], truths: NDArray[np.bool_], names: Sequence[str]) -> dict[str, Any]:
    """From logits (N, C) and what is true (N, C); {} for more than can be drawn."""
    if not len(logits) or logits.size > MOST:
        return {}
    shares = 1 / (1 + np.exp(-logits.astype(np.float64)))
    ranked = {name: Ranked.of(shares[:, k], truths[:, k], int(truths[:, k].sum())) for k, name in enumerate(names)}
    return threshold_charts(ranked, "probability")


def sheet(images: Tensor, target: Tensor, names: Sequence[str], class_names: Sequence[str]) -> Record:
    """Training images (N, 3, H, W) with their classes (N, C), 0 or 1."""
    pictures = []
    for image, labels, name in zip(images, target.cpu(), names, strict=True):
        size = (int(image.shape[1]), int(image.shape[2]))
        entry = {"name": name, "truth": labels.nonzero()[:, 0].tolist()}
        pictures.append(Picture(entry, {"image": ("jpg", photo(image, None, size, THUMBNAIL))}))
    return Record({"type": "labels", "classes": [{"name": name} for name in class_names]}, pictures)
