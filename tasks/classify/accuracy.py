"""Top-1 and top-5 accuracy, counted over all images."""

import torch
from torch import Tensor
from torchmetrics import Metric


class Accuracy(Metric):
    """Share of images whose true class has the highest score (top-1) or one of the five highest (top-5).

    Of equal scores the lower class number comes first, so that the result is deterministic. NaN is never right.
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
        """Add scores (N, C), higher is likelier, and true classes (N).

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
    """Number of classes ranked above the true one (N), from scores (N, C) and labels (N).

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
