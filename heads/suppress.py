"""Non-maximum suppression as plain tensor operations of fixed shapes, for graphs that leave PyTorch."""

import torch
from torch import Tensor

from heads.boxes import Detections

ROUNDS = 24  # of suppression; box k is right after as many rounds as boxes stand in a chain of overlaps above it


def select_fixed(
    scores: Tensor,
    boxes: Tensor,
    *,
    threshold: float,
    overlap: float,
    per_class: int,
    detections: int,
    candidates: int,
) -> Detections:
    """What heads.select.Select keeps, from the best `candidates` of each image; no shape depends on the values.

    Each round lets the boxes that still stand suppress worse ones of their class, all at once. A box whose betters are
    settled is settled one round later, so that ROUNDS rounds give the greedy result unless a chain of overlapping boxes
    is longer: every other box of it then may be wrong. Fewer than `detections` may be kept where more candidates than
    `candidates` are above the threshold.

    Args:
        scores: (N, A, C).
        boxes: (N, A, 4) absolute xyxy.
        threshold, overlap, per_class, detections: see Select.

    Returns:
        Detections of `detections` rows, the labels int32.
    """
    classes = scores.shape[2]
    count = min(candidates, scores.shape[1] * classes)
    best, places = scores.flatten(1).topk(count)  # (N, K)
    labels = places % classes
    anchors = torch.div(places, classes, rounding_mode="floor")
    chosen = boxes.gather(1, anchors[..., None].expand(-1, -1, 4))  # (N, K, 4)
    earlier = torch.ones(count, count, dtype=torch.bool, device=scores.device).triu(1)  # row i before column j
    rivals = (labels[:, :, None] == labels[:, None, :]) & earlier  # (N, K, K)
    allowed = (rivals.sum(1) < per_class) & (best > threshold)
    suppresses = (rivals & (overlaps(chosen) > overlap)).float()
    stands = allowed
    for _ in range(ROUNDS):
        stands = allowed & (torch.matmul(stands.float()[:, None], suppresses)[:, 0] == 0)
    kept = min(detections, count)
    first = torch.arange(count, 0, -1, dtype=torch.float32, device=scores.device)
    rank, order = (stands * first).topk(kept)  # those that stand, in their order
    filled = rank > 0
    return Detections(
        chosen.gather(1, order[..., None].expand(-1, -1, 4)) * filled[..., None],
        best.gather(1, order) * filled,
        torch.where(filled, labels.gather(1, order), -1).to(torch.int32),
    )


def overlaps(boxes: Tensor) -> Tensor:
    """IoU (N, K, K) of boxes (N, K, 4) with each other; of boxes without area, 0."""
    left, top, right, bottom = boxes.unbind(2)
    width = torch.minimum(right[:, :, None], right[:, None]) - torch.maximum(left[:, :, None], left[:, None])
    height = torch.minimum(bottom[:, :, None], bottom[:, None]) - torch.maximum(top[:, :, None], top[:, None])
    shared = width.clamp(min=0) * height.clamp(min=0)
    area = (right - left) * (bottom - top)
    union = area[:, :, None] + area[:, None] - shared
    return shared / union.clamp(min=1e-12)
