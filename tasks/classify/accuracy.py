"""Top-1 and top-5 accuracy, counted over all images."""

import torch
from torch import Tensor
from torchmetrics import Metric


class Accuracy(Metric):
    """Share of images whose true class has the highest score, and one of the five highest.

    Of equal scores the lower class number comes first, so that no order is left to chance. A score that is no number
    is never right.
    """

    full_state_update = False
    higher_is_better = True

    right1: Tensor  # () int64
    right5: Tensor  # () int64
    images: Tensor  # () int64

    def __init__(self) -> None:
        super().__init__()
        for state in ("right1", "right5", "images"):
            self.add_state(state, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, scores: Tensor, labels: Tensor) -> None:
        """Add scores (N, C), larger for likelier classes, and true classes (N).

        Raises:
            ValueError: for a label outside [0, C).
        """
        rank = ranks(scores, labels)
        self.right1 += (rank < 1).sum()
        self.right5 += (rank < 5).sum()
        self.images += len(labels)

    def compute(self) -> dict[str, float | int | None]:
        """`top1` and `top5` as fractions, None without images; `images`."""
        images = int(self.images)
        return {
            "top1": int(self.right1) / images if images else None,
            "top5": int(self.right5) / images if images else None,
            "images": images,
        }


def ranks(scores: Tensor, labels: Tensor) -> Tensor:
    """(N) how many classes stand before the true one: scores (N, C), labels (N).

    Raises:
        ValueError: for a label outside [0, C).
    """
    classes = scores.shape[1]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        wrong = int(labels[(labels < 0) | (labels >= classes)][0])
        raise ValueError(f"label {wrong} is not one of the {classes} classes, 0 to {classes - 1}")
    own = scores.gather(1, labels[:, None].long())
    numbers = torch.arange(classes, device=scores.device)
    ahead = (scores > own) | ((scores == own) & (numbers < labels[:, None]))
    return torch.where(scores.isnan().any(1), classes, ahead.sum(1))
