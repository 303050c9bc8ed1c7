"""Losses of image classes: cross-entropy, or binary cross-entropy of each class; with optional class weights."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.common.class_weights import check_balance, class_weights


class ImageCrossEntropy(nn.Module):
    """Cross-entropy, averaged over the images; or binary cross-entropy of each class, averaged over images and classes.

    With `binary`, the classes do not compete: an image mixed from two is allowed to be fully both (ResNet strikes back,
    Wightman et al., 2021, section 2). Class weights then weigh each image by the classes in its target.

    Args:
        label_smoothing: share of the target that is spread over all classes.
        balance: weight of a class is its share of the training images to the power of -balance, scaled so that the mean
            weight over images is 1: 0 for no weights, 0.5 for the inverse square root, 1 for equal shares of the loss.
        weight: one weight per class, in class order; or "balanced", the same as balance=1. Used as given: doubling all
            weights doubles the loss (unlike `nn.CrossEntropyLoss`, which divides by the batch's weights).
        binary: whether each class is a question of its own.
        target_threshold: with `binary`, a share of a mixed image's target above this becomes 1, and the rest 0, as in
            that paper (0.2); None keeps the shares.

    Raises:
        ValueError: for a balance outside 0-1, a weight that is not a list of non-negative numbers, both at once, or a
            threshold outside 0-1 or without `binary`.
    """

    def __init__(
        self,
        *,
        label_smoothing: float = 0.0,
        balance: float = 0.0,
        weight: Sequence[float] | str | None = None,
        binary: bool = False,
        target_threshold: float | None = None,
    ) -> None:
        super().__init__()
        if target_threshold is not None and not (binary and 0 <= target_threshold < 1):
            raise ValueError(
                f"task.loss.target_threshold={target_threshold} must be from 0 and below 1, with task.loss.binary=true"
            )
        self.binary, self.target_threshold = binary, target_threshold
        if weight is not None and balance:
            raise ValueError(f"task.loss.weight={weight} and task.loss.balance={balance}: only one of them can decide")
        if isinstance(weight, str):
            if weight != "balanced":
                raise ValueError(f"task.loss.weight={weight} is neither a number for each class nor balanced")
            weight, balance = None, 1.0
        check_balance(balance)
        if weight is not None and (min(weight, default=0) < 0 or not any(weight)):
            raise ValueError(f"task.loss.weight={list(weight)} must be numbers from 0 on, one at least above it")
        self.label_smoothing, self.balance = label_smoothing, balance
        self.weights: Tensor | None
        self.register_buffer("weights", None if weight is None else torch.tensor([*weight]).float(), persistent=False)

    def check_classes(self, count: int) -> None:
        """Raises a ValueError if the number of weights is not the number of classes."""
        if self.weights is not None and len(self.weights) != count:
            raise ValueError(f"task.loss.weight has {len(self.weights)} numbers for {count} classes")

    def weigh(self, images: Tensor) -> None:
        """Set the class weights from the training images (C) of each class. The mean weight over images is 1."""
        self.weights = class_weights(images, self.balance)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: (N, C).
            target: class numbers (N), or shares of each class (N, C).
        """
        if self.binary:
            return self._binary(logits, target)
        if self.weights is None:
            return F.cross_entropy(logits, target, label_smoothing=self.label_smoothing)
        loss = F.cross_entropy(logits, target, self.weights, reduction="sum", label_smoothing=self.label_smoothing)
        return loss / len(logits)

    def _binary(self, logits: Tensor, target: Tensor) -> Tensor:
        classes = logits.shape[1]
        if target.ndim == 1:  # one_hot would read the labels' values
            target = (target[:, None] == torch.arange(classes, device=target.device)).float()
        goal = target if self.target_threshold is None else (target > self.target_threshold).float()
        goal = goal * (1 - self.label_smoothing) + self.label_smoothing / classes
        loss = F.binary_cross_entropy_with_logits(logits.float(), goal, reduction="none").mean(1)
        return loss.mean() if self.weights is None else (loss * (target @ self.weights)).mean()
