"""Losses of each class's region as a whole: soft Dice and Lovász-softmax. Both are means over the classes that occur.

Regions are those of the whole batch, in each process. Pixels labelled 255 belong to none.
"""

import torch
from torch import Tensor

from tasks.common.labels import VOID


def soft_dice(probabilities: Tensor, labels: Tensor, weights: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    """Mean over the classes c in the labels of 1 - Dice_c, a scalar; 0 if all pixels are void.

        Dice = 2 Σ p·t / (Σ p + Σ t)        (Milletari et al., 3DV 2016, with plain sums below the line)

    Args:
        probabilities: (P, C) of the pixels.
        labels: (P) class numbers, 255 for void.
        weights: (C) of the classes in the mean.
        smoothing: share of the target t that is spread over all classes.
    """
    members = members_of(labels, probabilities.shape[1])
    known = (labels != VOID)[:, None]
    target = members * (1 - smoothing) + known * (smoothing / probabilities.shape[1])
    shared = (probabilities * target).sum(0)
    total = (probabilities * known).sum(0) + target.sum(0)
    dice = 2 * shared / total.clamp(min=torch.finfo(total.dtype).tiny)
    return mean_of_present(1 - dice, members, weights)


def lovasz_softmax(probabilities: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean over the classes in the labels of the Lovász extension of 1 - IoU (Berman et al., CVPR 2018), a scalar.

    A pixel's error for a class is |t - p|. Errors are sorted, largest first, and weighed by how much 1 - IoU grows if
    each pixel in turn is wrong as well. That growth has a closed form, which does not subtract nearly equal numbers:

        1 / union                               for a pixel of the class
        rest / (union · (union - 1))            for another; rest: pixels of the class that are not yet wrong

    It sorts C × P numbers (on a CPU, for the classes in the labels only): at a stride of 4 that is a sixteenth of what
    it is at 1. 0 if all pixels are void.

    Args:
        probabilities: (P, C) of the pixels.
        labels: (P) class numbers, 255 for void.
        weights: (C) of the classes in the mean.
    """
    members = members_of(labels, probabilities.shape[1])
    if probabilities.device.type == "cpu":  # other devices would have to be waited for
        present = (members.sum(0) > 0).nonzero()[:, 0]
        members, probabilities = members[:, present], probabilities[:, present]
        weights = None if weights is None else weights[present]
    known = (labels != VOID)[:, None]
    errors = (members - probabilities).abs() * known  # void pixels come last, with none
    errors, order = errors.t().sort(dim=1, descending=True)  # (C, P)
    with torch.no_grad():
        inside = members.t().gather(1, order) > 0
        size = inside.sum(1, keepdim=True)
        rest = size - inside.cumsum(1, dtype=torch.int32)
        union = (size + (~inside).cumsum(1, dtype=torch.int32)).to(errors.dtype)
        growth = torch.where(inside, 1 / union.clamp(min=1), rest / (union * (union - 1)).clamp(min=1))
    return mean_of_present((errors * growth).sum(1), members, weights)


def members_of(labels: Tensor, classes: int) -> Tensor:
    """(P, C) float: 1 where a pixel has this class; void pixels have none. Unlike one_hot it reads no value."""
    return (labels[:, None] == torch.arange(classes, device=labels.device)).float()


def mean_of_present(losses: Tensor, members: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of the losses (C) of the classes that have pixels, by weight; 0 if there are none."""
    share = (members.amax(0) > 0).to(losses.dtype) if len(members) else torch.zeros_like(losses)
    if weights is not None:
        share = share * weights
    return (losses * share).sum() / share.sum().clamp(min=torch.finfo(losses.dtype).tiny)
