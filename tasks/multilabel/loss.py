"""Binary cross-entropy for each class, with optional weights of the positive images."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tasks.common.class_weights import check_balance


class BinaryCrossEntropy(nn.Module):
    """Binary cross-entropy of independent classes, averaged over images and classes.

    Args:
        label_smoothing: how far labels are moved from 0 and 1 towards 0.5: 0.1 makes them 0.05 and 0.95.
        balance: an image that has a class weighs (images without it / images with it) to the power of balance for that
            class: 0 for no weights, 1 for equal shares of the loss. A class that all or no images have weighs 1.
        positive_weight: these weights, one per class in class order, instead.

    Raises:
        ValueError: for a smoothing or balance outside 0-1, a weight that is not positive, or both kinds of weights.
    """

    def __init__(
        self, *, label_smoothing: float = 0.0, balance: float = 0.0, positive_weight: Sequence[float] | None = None
    ) -> None:
        super().__init__()
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"task.loss.label_smoothing={label_smoothing} must be at least 0 and below 1")
        check_balance(balance)
        if positive_weight is not None and balance:
            raise ValueError(
                f"task.loss.positive_weight={[*positive_weight]} and task.loss.balance={balance}: only one can decide"
            )
        if positive_weight is not None and min(positive_weight, default=0) <= 0:
            raise ValueError(f"task.loss.positive_weight={[*positive_weight]} must be numbers above 0")
        self.label_smoothing, self.balance = label_smoothing, balance
        self.weights: Tensor | None
        given = None if positive_weight is None else torch.tensor([*positive_weight]).float()
        self.register_buffer("weights", given, persistent=False)

    def check_classes(self, count: int) -> None:
        """Raises a ValueError if the number of weights is not the number of classes."""
        if self.weights is not None and len(self.weights) != count:
            raise ValueError(f"task.loss.positive_weight has {len(self.weights)} numbers for {count} classes")

    def weigh(self, having: Tensor, images: int) -> None:
        """Set the weights from the number of training images that have each class (C)."""
        having = having.double()
        odds = torch.where((having > 0) & (having < images), (images - having) / having.clamp(min=1), 1.0)
        self.weights = (odds**self.balance).float()

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """The loss, a scalar.

        Args:
            logits: (N, C).
            target: (N, C) 1 where an image has a class, else 0.
        """
        smooth = target.to(logits.dtype) * (1 - self.label_smoothing) + self.label_smoothing / 2
        return F.binary_cross_entropy_with_logits(logits, smooth, pos_weight=self.weights)
