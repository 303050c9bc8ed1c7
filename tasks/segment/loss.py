"""Losses of semantic segmentation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.common.class_weights import check_balance, class_weights
from tasks.common.labels import VOID
from tasks.segment.hard_pixels import hardest
from tasks.segment.region_losses import lovasz_softmax, soft_dice


class PixelCrossEntropy(nn.Module):
    """Cross-entropy of resized logits, averaged over all labelled pixels or over the hardest ones; plus, by weight,
    losses of each class's region.

    Every process takes its own batch's pixels, and a batch without a label gives 0.

    Args:
        stride: logits and labels are compared at 1/stride of the labels' size. Papers use 1; 4 takes a sixteenth of the
            work, which is noticeable in a small network's training step on a CPU.
        label_smoothing: share of the target that is spread over all classes; Lovász takes the labels as they are.
        balance: weight of a class is its share of the training pixels to the power of -balance, so that thin and rare
            objects count: 0 for no weights, 0.5 for the inverse square root, 1 for equal shares of the loss.
        ohem: share of the labelled pixels that cross-entropy is averaged over, those whose class is the least probable
            (hard-pixel mining, see hard_pixels.py); 1 for all.
        ohem_threshold: with `ohem`, pixels whose class has a probability below this count too.
        cross_entropy, dice, lovasz: weights of the terms; see region_losses.py for the last two.

    Raises:
        ValueError: for a stride below 1, a balance outside 0-1, a share outside (0, 1], a threshold without `ohem`, or
            weights that are negative or all 0, or smoothing without a term that has it.
    """

    def __init__(
        self,
        *,
        stride: int = 1,
        label_smoothing: float = 0.0,
        balance: float = 0.0,
        ohem: float = 1.0,
        ohem_threshold: float = 0.0,
        cross_entropy: float = 1.0,
        dice: float = 0.0,
        lovasz: float = 0.0,
    ) -> None:
        super().__init__()
        if stride < 1:
            raise ValueError(f"stride={stride} must be 1 or more")
        check_balance(balance)
        if not 0 < ohem <= 1:
            raise ValueError(f"task.loss.ohem={ohem} must be above 0 and at most 1")
        if ohem_threshold and ohem == 1:
            raise ValueError(
                f"task.loss.ohem_threshold={ohem_threshold} has no effect with task.loss.ohem=1, which takes all pixels"
            )
        self.terms_by_weight = {"cross_entropy": cross_entropy, "dice": dice, "lovasz": lovasz}
        if min(self.terms_by_weight.values()) < 0 or not any(self.terms_by_weight.values()):
            given = ", ".join(f"{name}={weight}" for name, weight in self.terms_by_weight.items())
            raise ValueError(f"task.loss: {given}: weights are from 0 on, one at least above it")
        if ohem < 1 and not cross_entropy:
            raise ValueError(f"task.loss.ohem={ohem} picks pixels of the cross-entropy, whose weight is 0")
        if label_smoothing and not cross_entropy and not dice:
            raise ValueError(
                f"task.loss.label_smoothing={label_smoothing} has no effect: Lovász takes labels as they are"
            )
        self.stride, self.label_smoothing, self.balance = stride, label_smoothing, balance
        self.ohem, self.ohem_threshold = ohem, ohem_threshold
        self.weights: Tensor | None
        self.register_buffer("weights", None, persistent=False)

    def weigh(self, pixels: Tensor) -> None:
        """Set the class weights from the training pixels (C) of each class. The mean weight over pixels is 1."""
        self.weights = class_weights(pixels, self.balance)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss, a scalar; see terms()."""
        first, *others = self.terms(logits, labels).values()
        return torch.stack([first, *others]).sum() if others else first

    def terms(self, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The weighted terms of the loss by name, scalars; terms with weight 0 are not computed.

        Args:
            logits: (N, C, h, w) of any size.
            labels: (N, H, W) class numbers, 255 for void.
        """
        offset = self.stride // 2  # the pixel in the middle of each cell
        labels = labels[:, offset :: self.stride, offset :: self.stride].long()
        if logits.shape[-2:] != labels.shape[-2:]:
            logits = F.interpolate(logits, labels.shape[-2:], mode="bilinear", align_corners=False)
        pixels = logits.permute(0, 2, 3, 1).flatten(0, 2)  # a view of channels-last logits; twice as fast this way
        flat = labels.flatten()
        terms: dict[str, Tensor] = {}
        for name, weight in self.terms_by_weight.items():
            if weight:
                term: Tensor = getattr(self, f"_{name}")(pixels, flat)
                terms[name] = term if weight == 1 else weight * term
        return terms

    def _cross_entropy(self, pixels: Tensor, labels: Tensor) -> Tensor:
        if self.ohem < 1:
            return self._of_hard_pixels(pixels, labels)
        total = F.cross_entropy(
            pixels, labels, self.weights, ignore_index=VOID, reduction="sum", label_smoothing=self.label_smoothing
        )
        return total / (labels != VOID).sum().clamp(min=1)  # an all-void batch gives 0, not NaN

    def _of_hard_pixels(self, pixels: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():
            surprise = F.cross_entropy(pixels, labels, ignore_index=VOID, reduction="none")
            chosen = hardest(surprise, labels != VOID, self.ohem, self.ohem_threshold)
        loss = F.cross_entropy(
            pixels, labels, self.weights, ignore_index=VOID, reduction="none", label_smoothing=self.label_smoothing
        )
        return torch.where(chosen, loss, 0).sum() / chosen.sum().clamp(min=1)

    def _dice(self, pixels: Tensor, labels: Tensor) -> Tensor:
        return soft_dice(pixels.float().softmax(1), labels, self.weights, self.label_smoothing)

    def _lovasz(self, pixels: Tensor, labels: Tensor) -> Tensor:
        return lovasz_softmax(pixels.float().softmax(1), labels, self.weights)
