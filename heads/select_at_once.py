"""heads.select.Select for a whole batch on a GPU: shapes depend on no value, so nothing is waited for per image."""

from typing import NamedTuple

import torch
from torch import Tensor

from heads.boxes import Detections
from heads.suppress import Rule

SHARE = 4  # candidates of an image, as a multiple of the boxes that are kept
ROUNDS = 24  # of suppression; a box is final one round after all better ones that overlap it are
OVERLAPS = 2**24  # of pairs of candidates, computed at once: 128 MB


class AtOnce(NamedTuple):
    """A batch's boxes, and for which images they are the result.

    Attributes:
        found: padded to rule.detections, or to all candidates if these are fewer.
        sound: (N) whether the candidates and the rounds were enough: else the image has to be selected by itself.
    """

    found: Detections
    sound: Tensor


@torch.no_grad()
def select_at_once(scores: Tensor, boxes: Tensor, rule: Rule, limit: float) -> AtOnce:
    """The best boxes by the rule, as Select finds them image by image.

    Suppression goes down the scores, so the best few candidates decide alone if enough of them stand.

    Args:
        scores: (N, A, C).
        boxes: (N, A, 4) absolute xyxy.
        limit: see heads.select.just_above().
    """
    candidates = min(SHARE * rule.detections, scores.shape[1] * scores.shape[2])
    step = max(1, OVERLAPS // candidates**2)
    parts = [
        of_part(each, own, rule, limit, candidates)
        for each, own in zip(scores.split(step), boxes.split(step), strict=True)
    ]
    columns = zip(*(part.found for part in parts), strict=True)
    return AtOnce(Detections(*(torch.cat(values) for values in columns)), torch.cat([part.sound for part in parts]))


def of_part(scores: Tensor, boxes: Tensor, rule: Rule, limit: float, candidates: int) -> AtOnce:
    """The same for a few images, with this number of candidates for each."""
    anchors = scores.shape[1]
    flat = scores.transpose(1, 2).flatten(1)  # of equal scores the lower class is first, then the earlier anchor
    flat = flat.masked_fill(~(flat > rule.threshold), -torch.inf)
    best, order = (values[:, :candidates] for values in flat.sort(dim=1, descending=True, stable=True))
    labels, places = torch.div(order, anchors, rounding_mode="floor"), order % anchors
    chosen = boxes.gather(1, places[..., None].expand(-1, -1, 4))

    earlier = torch.ones(candidates, candidates, dtype=torch.bool, device=scores.device).triu(1)
    rivals = (labels[:, :, None] == labels[:, None]) & earlier  # (N, K, K): row before column, of one class
    allowed = (best > rule.threshold) & (rivals.sum(1) < rule.per_class)
    suppresses = (rivals & (overlaps(chosen.double()) > limit)).float()
    stands, before = allowed, allowed
    for _ in range(ROUNDS):
        before, stands = stands, allowed & (torch.matmul(stands.float()[:, None], suppresses)[:, 0] == 0)

    all_there = (flat > rule.threshold).sum(1) <= candidates
    sound = (stands == before).all(1) & (all_there | (stands.sum(1) >= rule.detections))
    kept = min(rule.detections, candidates)
    values, place = (
        each[:, :kept] for each in best.masked_fill(~stands, -torch.inf).sort(dim=1, descending=True, stable=True)
    )
    filled = values > rule.threshold
    return AtOnce(
        Detections(
            chosen.gather(1, place[..., None].expand(-1, -1, 4)).where(filled[..., None], 0.0),
            values.where(filled, 0.0),
            labels.gather(1, place).where(filled, -1),
        ),
        sound,
    )


def overlaps(boxes: Tensor) -> Tensor:
    """IoU (N, K, K) of boxes (N, K, 4) with each other, by torchvision's operations; NaN for two without area."""
    left, top, right, bottom = boxes[..., None].unbind(-2)  # (N, K, 1)
    width = torch.minimum(right, right.mT) - torch.maximum(left, left.mT)
    height = torch.minimum(bottom, bottom.mT) - torch.maximum(top, top.mT)
    shared = width.clamp(min=0) * height.clamp(min=0)
    area = (right - left) * (bottom - top)
    return shared / (area + area.mT - shared)
