"""Hard-pixel mining: online hard example mining (Shrivastava et al., CVPR 2016), of pixels as in DeepLab's top-k."""

import math

import torch
from torch import Tensor


def hardest(surprise: Tensor, known: Tensor, share: float, threshold: float = 0.0) -> Tensor:
    """Which pixels (P) to learn from: this share of the known ones, and all whose class is less probable than a limit.

    The share is of the pixels that have a label, at least one, without reading their number from the device. Of equally
    surprising pixels at the edge of the share the first ones count.

    Args:
        surprise: (P) minus the logarithm of the probability of each pixel's class.
        known: (P) whether the pixel has a label.
        share: above 0, up to 1.
        threshold: probability of the class below which a pixel counts in any case; 0 for none.
    """
    order = torch.where(known, surprise, -torch.inf).argsort(descending=True, stable=True)  # without label: last
    count = (known.sum() * share).round().clamp(min=1)
    first = torch.arange(len(order), device=order.device) < count
    chosen = torch.empty_like(known).scatter(0, order, first)
    if threshold > 0:
        chosen |= surprise > -math.log(threshold)
    return chosen & known
