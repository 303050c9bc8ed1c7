"""Segmentation scores by the rules of Cityscapes' evalPixelLevelSemanticLabeling.py (Cordts et al., CVPR 2016, 4.2)."""

from collections.abc import Sequence

import cv2
import torch
from torch import Tensor
from torchmetrics import Metric

from tasks.common.labels import VOID


class MeanIoU(Metric):
    """Intersection over union of each class and their mean, from one confusion matrix over all images.

    Pixels whose truth is void are not counted, whatever was predicted there. A class that occurs neither in labels nor
    in predictions elsewhere has no IoU: its value is None and it is left out of the mean.
    """

    full_state_update = False
    higher_is_better = True

    matrix: Tensor  # (C, C) int64, rows the truth, columns the prediction
    images: Tensor  # () int64

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        size = len(self.class_names)
        if not 1 <= size <= VOID:
            raise ValueError(f"{size} classes: a label is one of 1 to {VOID}, beside void, {VOID}")
        self.add_state("matrix", torch.zeros(size, size, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, labels: Tensor, truth: Tensor) -> None:
        """Add predictions and their truth, both (N, H, W) integers; image sizes may differ between calls.

        Raises ValueError as `confusion` does, or if the tensors do not have three dimensions.
        """
        if labels.dim() != 3:
            raise ValueError(f"labels must have the shape (N, H, W), got {tuple(labels.shape)}")
        self.matrix += confusion(labels, truth, len(self.class_names))
        self.images += len(labels)

    def compute(self) -> dict[str, float | int | None]:
        """`mIoU`, `pixel_accuracy` and `iou/<class>` as fractions, None if undefined; `images`."""
        matrix = self.matrix.tolist()  # from here on Python integers and float64, on every device
        ious: dict[str, float | None] = {}
        for k, name in enumerate(self.class_names):
            union = sum(matrix[k]) + sum(row[k] for row in matrix) - matrix[k][k]
            ious[f"iou/{name}"] = matrix[k][k] / union if union else None
        total, defined = 0.0, 0
        for iou in ious.values():  # added like the official script: sum() compensates since Python 3.12
            if iou is not None:
                total, defined = total + iou, defined + 1
        pixels = sum(map(sum, matrix))
        return {
            "mIoU": total / defined if defined else None,
            "pixel_accuracy": sum(matrix[k][k] for k in range(len(matrix))) / pixels if pixels else None,
            **ious,
            "images": int(self.images),
        }


def confusion(labels: Tensor, truth: Tensor, classes: int, ignore: int = VOID) -> Tensor:
    """Confusion matrix (C, C) int64 of integer tensors of equal shape: truth down, labels across.

    Pixels whose truth is `ignore` (0 to 255) are left out. Raises ValueError for any other value outside [0, classes).

    All pairs of bytes are counted without filtering: picking the valid pixels first, as is usual, takes longer than
    counting. Void and invalid values show in the 256 x 256 counts.
    """
    if labels.shape != truth.shape:
        raise ValueError(f"labels {tuple(labels.shape)} and truth {tuple(truth.shape)} have different shapes")

    def check(kind: str, values: Tensor) -> None:
        for value in values.tolist():
            if not 0 <= value < classes and (kind, value) != ("truth", ignore):
                void = f", nor void, {ignore}" if kind == "truth" else ""
                raise ValueError(f"{kind} {value} is not one of the {classes} classes, 0 to {classes - 1}{void}")

    pair = []
    for kind, values in (("truth", truth), ("label", labels)):
        if values.dtype != torch.uint8:
            check(kind, values[(values < 0) | (values > 255)][:1])
            values = values.to(torch.uint8)
        pair.append(values.flatten())
    counts = _count_pairs(*pair)
    check("truth", counts.sum(1).nonzero()[:, 0])
    check("label", counts.sum(0).nonzero()[:, 0])
    counts[ignore] = 0
    return counts[:classes, :classes]


def _count_pairs(a: Tensor, b: Tensor) -> Tensor:
    """Count the pairs of two rows of bytes -> (256, 256) int64."""
    if a.device.type != "cpu":
        return torch.bincount(a.int().mul_(256).add_(b), minlength=2**16).view(256, 256)
    counts = torch.zeros(256, 256, dtype=torch.int64)
    part = 2**24  # OpenCV counts in float32, exact up to here
    for start in range(0, len(a), part):
        bytes_ = [x[start : start + part].numpy() for x in (a, b)]
        counts += torch.from_numpy(cv2.calcHist(bytes_, [0, 1], None, [256, 256], [0, 256, 0, 256])).long()
    return counts
