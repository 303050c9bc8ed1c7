"""Segmentation scores by the rules of Cityscapes' evalPixelLevelSemanticLabeling.py (Cordts et al., CVPR 2016, 4.2)."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

VOID = 255
PART = 2**18  # pixels counted at once on the CPU: 512 KB of pairs, which stay in cache


class MeanIoU(Metric):
    """Intersection over union of each class and their mean, from one confusion matrix over all images.

    A pixel whose truth is void counts nowhere, whatever was predicted there. A class that neither the other labels nor
    the predictions hold has no IoU: its value is None and the mean is taken without it.
    """

    full_state_update = False
    higher_is_better = True

    matrix: Tensor  # (C, C) int64, rows the truth, columns the prediction
    images: Tensor  # () int64

    def __init__(self, class_names: Sequence[str]) -> None:
        super().__init__()
        self.class_names = tuple(class_names)
        size = len(self.class_names)
        self.add_state("matrix", torch.zeros(size, size, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("images", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, labels: Tensor, truth: Tensor) -> None:
        """Add predictions and their truth, both (N, H, W) integers; the next call's images may have another size.

        Raises ValueError as `confusion` does, or if the tensors have another number of dimensions.
        """
        if labels.dim() != 3:
            raise ValueError(f"labels must have the shape (N, H, W), got {tuple(labels.shape)}")
        self.matrix += confusion(labels, truth, len(self.class_names))
        self.images += len(labels)

    def compute(self) -> dict[str, float | int | None]:
        """`mIoU`, `pixel_accuracy` and `iou/<class>` as fractions, None where there is nothing to divide; `images`."""
        matrix = self.matrix.tolist()  # from here on Python's integers and float64, on every device
        ious: dict[str, float | None] = {}
        for k, name in enumerate(self.class_names):
            union = sum(matrix[k]) + sum(row[k] for row in matrix) - matrix[k][k]
            ious[f"iou/{name}"] = matrix[k][k] / union if union else None
        total, defined = 0.0, 0
        for (
            iou
        ) in ious.values():  # one after the other as the official script does: sum() compensates since Python 3.12
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
    """How often each class was predicted as each: integers of equal shape -> (C, C) int64, truth down, labels across.

    Pixels whose truth is `ignore` (0 or more) are left out. Raises ValueError for other values outside [0, classes).

    Truth and label become one small integer, counted without a copy to int64 and without picking the valid pixels
    first: void gets a row of its own, and a wrong value shows in the counts.
    """
    if labels.shape != truth.shape:
        raise ValueError(f"labels {tuple(labels.shape)} and truth {tuple(truth.shape)} have different shapes")
    if not truth.numel():
        return torch.zeros(classes, classes, dtype=torch.int64, device=truth.device)
    rows = max(ignore + 1, classes)
    for kind, values, limit in (("label", labels, classes), ("truth", truth, rows)):
        low, high = map(int, torch.aminmax(values))
        if low < 0 or high >= limit:
            raise ValueError(
                f"{kind} {low if low < 0 else high} is not one of the {classes} classes, 0 to {classes - 1}"
            )
    on_cpu = truth.device.type == "cpu"
    part = min(truth.numel(), PART) if on_cpu else truth.numel()
    pairs = truth.new_empty(part, dtype=torch.int16 if on_cpu and rows * classes <= 2**15 else torch.int32)
    counts = torch.zeros(rows * classes, dtype=torch.int64, device=truth.device)
    for t, p in zip(truth.flatten().split(part), labels.flatten().split(part), strict=True):
        pair = pairs[: len(t)].copy_(t).mul_(classes).add_(p)
        counts += torch.bincount(pair, minlength=len(counts))
    counts = counts.view(rows, classes)
    counts[ignore] = 0
    wrong = counts[classes:].sum(1).nonzero()
    if len(wrong):
        value = classes + int(wrong[0])
        raise ValueError(f"truth {value} is not one of the {classes} classes, 0 to {classes - 1}, nor void, {ignore}")
    return counts[:classes]
