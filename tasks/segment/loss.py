"""Losses of semantic segmentation."""

import torch.nn.functional as F
from torch import Tensor, nn

from tasks.common.class_weights import check_balance, class_weights
from tasks.common.labels import VOID


class PixelCrossEntropy(nn.Module):
    """Cross-entropy of resized logits, averaged over all labelled pixels.

    Args:
        stride: logits and labels are compared at 1/stride of the labels' size. Papers use 1; 4 takes a sixteenth of the
            work, which is noticeable in a small network's training step on a CPU.
        label_smoothing: share of the target that is spread over all classes.
        balance: weight of a class is its share of the training pixels to the power of -balance, so that thin and rare
            objects count: 0 for no weights, 0.5 for the inverse square root, 1 for equal shares of the loss.

    Raises:
        ValueError: for a stride below 1, or a balance outside 0-1.
    """

    def __init__(self, *, stride: int = 1, label_smoothing: float = 0.0, balance: float = 0.0) -> None:
        super().__init__()
        if stride < 1:
            raise ValueError(f"stride={stride} must be 1 or more")
        check_balance(balance)
        self.stride, self.label_smoothing, self.balance = stride, label_smoothing, balance
        self.weights: Tensor | None
        self.register_buffer("weights", None, persistent=False)

    def weigh(self, pixels: Tensor) -> None:
        """Set the class weights from the training pixels (C) of each class. The mean weight over pixels is 1."""
        self.weights = class_weights(pixels, self.balance)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: (N, C, h, w) of any size.
            labels: (N, H, W) class numbers, 255 for void.
        """
        offset = self.stride // 2  # the pixel in the middle of each cell
        labels = labels[:, offset :: self.stride, offset :: self.stride].long()
        if logits.shape[-2:] != labels.shape[-2:]:
            logits = F.interpolate(logits, labels.shape[-2:], mode="bilinear", align_corners=False)
        pixels = logits.permute(0, 2, 3, 1).flatten(0, 2)  # a view of channels-last logits; twice as fast this way
        total = F.cross_entropy(
            pixels,
            labels.flatten(),
            self.weights,
            ignore_index=VOID,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total / (labels != VOID).sum().clamp(min=1)  # an all-void batch gives 0, not NaN
