"""Non-maximum suppression: its rule, and an implementation with tensor operations of fixed shapes for export."""

from typing import NamedTuple

import torch
from torch import Tensor

from heads.boxes import Detections

ROUNDS = 24  # of suppression; a box is right after as many rounds as its chain of overlapping better boxes is long


class Rule(NamedTuple):
    """Which boxes of an image are kept.

    Attributes:
        threshold: scores must be above it.
        overlap: a box is suppressed if its IoU with a better one of its class is larger.
        per_class: candidates per class that enter the suppression.
        detections: boxes kept per image.
    """

    threshold: float
    overlap: float
    per_class: int
    detections: int


def select_fixed(scores: Tensor, boxes: Tensor, rule: Rule) -> Detections:
    """The result of heads.select.Select, in a graph whose shapes do not depend on the values.

    In each round all boxes that still stand suppress worse ones of their class at once. A box is final one round after
    all its better boxes are, so ROUNDS rounds give the greedy result unless a chain of overlapping boxes is longer: its
    last boxes may then be wrong. Work and memory grow with classes × per_class²: 8 million overlaps for COCO's 90
    classes and 300.

    Args:
        scores: (N, A, C).
        boxes: (N, A, 4) absolute xyxy.

    Returns:
        Detections with `rule.detections` rows, or fewer if there are fewer candidates; the labels are int32.
    """
    classes, most = scores.shape[2], min(rule.per_class, scores.shape[1])
    best, places = scores.transpose(1, 2).topk(most)  # (N, C, K)
    chosen = boxes.gather(1, places.flatten(1)[..., None].expand(-1, -1, 4))  # (N, C × K, 4)
    allowed = best > rule.threshold
    earlier = torch.ones(most, most, dtype=torch.bool, device=scores.device).triu(1)  # row i before column j
    of_class = torch.unflatten(chosen, 1, (classes, most))  # (N, C, K, 4)
    suppresses = ((overlaps(of_class) > rule.overlap) & earlier).float()  # (N, C, K, K)
    stands = allowed
    for _ in range(ROUNDS):
        stands = allowed & (torch.matmul(stands.float()[..., None, :], suppresses)[..., 0, :] == 0)
    kept = min(rule.detections, classes * most)
    values, order = torch.where(stands, best, -1.0).flatten(1).topk(kept)  # (N, D)
    filled = values > rule.threshold
    return Detections(
        chosen.gather(1, order[..., None].expand(-1, -1, 4)) * filled[..., None],
        values * filled,
        torch.where(filled, torch.div(order, most, rounding_mode="floor"), -1).to(torch.int32),
    )


def overlaps(boxes: Tensor) -> Tensor:
    """IoU (…, K, K) of boxes (…, K, 4) with each other; 0 for boxes without area."""
    left, top, right, bottom = boxes[..., None].unbind(-2)  # (…, K, 1)
    width = torch.minimum(right, right.mT) - torch.maximum(left, left.mT)
    height = torch.minimum(bottom, bottom.mT) - torch.maximum(top, top.mT)
    shared = width.clamp(min=0) * height.clamp(min=0)
    area = (right - left) * (bottom - top)
    union = area + area.mT - shared
    return shared / union.clamp(min=1e-12)
