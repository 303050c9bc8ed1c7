"""Class weights from class frequencies, for losses in which rare classes should count."""

import torch
from torch import Tensor


def check_balance(balance: float) -> None:
    """Raise ValueError if the balance is outside 0-1."""
    if not 0 <= balance <= 1:
        raise ValueError(f"task.loss.balance={balance} must lie between 0 and 1")


def class_weights(counts: Tensor, balance: float) -> Tensor:
    """(C) float32 weights: each class's share to the power of -balance, scaled so that the mean sample weighs 1.

    Args:
        counts: (C) samples (images or pixels) of each class; a class without samples weighs 0.
        balance: 0 for equal weights, 0.5 for the inverse square root, 1 for equal shares of the loss.
    """
    share = counts.double() / counts.sum()
    weights = torch.where(share > 0, share.clamp(min=1e-12) ** -balance, 0.0)
    return (weights / (share * weights).sum()).float()
