"""A custom loss: the focal loss of present and absent classes (Lin et al., ICCV 2017, without alpha)."""

from torch import Tensor, nn
from torch.nn import functional as F


class FocalLoss(nn.Module):
    """Cross-entropy of each class, down-weighted where the network is already right.

    Args:
        gamma: focusing parameter: how strongly easy examples are down-weighted; 0 is plain cross-entropy.
    """

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def forward(self, logits: Tensor, tags: Tensor) -> Tensor:
        """A scalar from logits (N, C) and tags (N, C), 0 or 1."""
        entropy = F.binary_cross_entropy_with_logits(logits, tags, reduction="none")
        return ((1 - (-entropy).exp()) ** self.gamma * entropy).mean()
