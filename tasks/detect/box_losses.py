"""Losses between pairs of boxes that follow from their IoU.

torchvision's index by masks, which syncs with the device.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

TINY = 1e-7


def area(sides: Tensor) -> Tensor:
    """(R) from width and height (R, 2); the backward pass of `prod` would sync with the device."""
    width, height = sides.unbind(1)
    return width * height


def iou(boxes: Tensor, others: Tensor) -> Tensor:
    """IoU (R) of boxes (R, 4), absolute xyxy, pair by pair."""
    shared, union = intersection(boxes, others)
    return shared / (union + TINY)


def intersection(boxes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Areas (R) of intersection and union, pair by pair."""
    low, high = boxes[:, :2].maximum(others[:, :2]), boxes[:, 2:].minimum(others[:, 2:])
    shared = area((high - low).clamp(min=0))
    return shared, area(boxes[:, 2:] - boxes[:, :2]) + area(others[:, 2:] - others[:, :2]) - shared


def enclosure(boxes: Tensor, others: Tensor) -> Tensor:
    """Width and height (R, 2) of the smallest box around each pair."""
    return boxes[:, 2:].maximum(others[:, 2:]) - boxes[:, :2].minimum(others[:, :2])


def giou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """1 - generalised IoU (R) of boxes (R, 4), absolute xyxy (Rezatofighi et al., CVPR 2019)."""
    shared, union = intersection(boxes, others)
    around = area(enclosure(boxes, others))
    return 1 - shared / (union + TINY) + (around - union) / (around + TINY)


def diou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """1 - IoU + the centres' distance as a share of the enclosing diagonal, both squared (Zheng et al., AAAI 2020)."""
    across = (boxes[:, :2] + boxes[:, 2:] - others[:, :2] - others[:, 2:]) / 2
    diagonal = enclosure(boxes, others).square().sum(1)
    return 1 - iou(boxes, others) + across.square().sum(1) / (diagonal + TINY)


def ciou_loss(boxes: Tensor, others: Tensor) -> Tensor:
    """diou_loss and the difference of the aspect ratios; its weight has no gradient (Zheng et al., equations 9-11)."""
    turn = angle(boxes) - angle(others)
    unlike = 4 / math.pi**2 * turn.square()
    with torch.no_grad():
        weight = unlike / (1 - iou(boxes, others) + unlike + TINY)
    return diou_loss(boxes, others) + weight * unlike


def angle(boxes: Tensor) -> Tensor:
    """(R) angle whose tangent is width to height."""
    width, height = (boxes[:, 2:] - boxes[:, :2]).unbind(1)
    return torch.atan2(width, height)


OF_BOXES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"giou": giou_loss, "diou": diou_loss, "ciou": ciou_loss}
