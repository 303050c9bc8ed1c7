"""Assigns anchors to boxes (SSD, section 2.2), for a whole batch at once."""

import torch
from torch import Tensor


def assign(boxes: Tensor, anchors: Tensor, threshold: float = 0.5) -> Tensor:
    """(N, A) int64: the number of the box that an anchor is assigned to, -1 for background.

    An anchor is assigned to the box it overlaps most if their IoU reaches the threshold (for equal IoUs the first).
    In addition, every box gets the anchor it overlaps most, whatever the IoU; if several boxes share that anchor, the
    last of them gets it, as in torchvision.

    Args:
        boxes: (N, T, 5) absolute xyxy and class number, -1 for padding; of any precision.
        anchors: (A, 4) absolute xyxy.
    """
    boxes, anchors = boxes.float(), anchors.float()
    real = boxes[..., 4] >= 0
    overlaps = overlap(boxes[..., :4].where(real[..., None], 0.0), anchors)  # (N, T, A), 0 for padding
    most, nearest = overlaps.max(1)  # (N, A)
    return claim(nearest.where(most >= threshold, -1), overlaps, real)


def claim(matched: Tensor, overlaps: Tensor, real: Tensor) -> Tensor:
    """(N, A): matches in which every box has the anchor that it overlaps most; of several boxes the last one.

    Args:
        matched: (N, A) number of the box, -1 for background.
        overlaps: (N, T, A) IoU.
        real: (N, T) which boxes are not padding.
    """
    number = torch.arange(real.shape[1], dtype=torch.float32, device=real.device).where(real, -1.0)  # (N, T)
    claimed = torch.full_like(overlaps[:, 0], -1.0)
    claimed.scatter_reduce_(1, overlaps.max(2).indices, number, "amax")  # floats: for MPS
    return claimed.long().where(claimed >= 0, matched)


def overlap(boxes: Tensor, anchors: Tensor) -> Tensor:
    """IoU (N, T, A) of boxes (N, T, 4) with anchors (A, 4), or with each image's own (N, A, 4).

    The anchors are split by coordinate: rows read faster.
    """
    left, top, right, bottom = boxes[:, :, None].unbind(3)  # each (N, T, 1)
    split = anchors.movedim(-1, 0).contiguous()
    anchor_left, anchor_top, anchor_right, anchor_bottom = split if anchors.ndim == 2 else split[:, :, None]
    width = right.minimum(anchor_right).sub_(left.maximum(anchor_left)).clamp_(min=0)
    height = bottom.minimum(anchor_bottom).sub_(top.maximum(anchor_top)).clamp_(min=0)
    shared = width.mul_(height)
    areas = (right - left) * (bottom - top)
    anchor_areas = (anchor_right - anchor_left) * (anchor_bottom - anchor_top)
    return shared.div_((areas + anchor_areas).sub_(shared))
