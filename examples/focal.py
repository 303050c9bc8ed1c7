"""A loss of your own: the focal loss of classes that are there or not (Lin et al., ICCV 2017, without alpha)."""

from torch import Tensor, nn
from torch.nn import functional as F


class FocalLoss(nn.Module):
    """Cross-entropy of each class, less of it where the network is right already.

    Args:
        gamma: how much less; 0 is the cross-entropy.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, tags: Tensor) -> Tensor:
        """A scalar from logits (N, C) and tags (N, C), 0 or 1."""
        entropy = F.binary_cross_entropy_with_logits(logits, tags, reduction="none")
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()
