"""Which anchors learn which box: SSD's rule by IoU, ATSS, and task-aligned matching. A whole batch at once."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tasks.detect.assign import assign, claim, overlap


class Scene(NamedTuple):
    """What a matcher decides by.

    Attributes:
        boxes: (N, T, 5) absolute xyxy and class number, -1 for padding, where the coordinates may be anything.
        anchors: (A, 4) absolute xyxy; map by map, cell by cell.
        maps: for each map the number of its cells and of the anchors in each; empty for one map with one in each.
        threshold: IoU from which ByIoU matches.
        predict: returns what the network says now: scores (N, A, C) from 0 to 1, and boxes (N, A, 4) absolute xyxy.
    """

    boxes: Tensor
    anchors: Tensor
    maps: Sequence[tuple[int, int]]
    threshold: float
    predict: Callable[[], tuple[Tensor, Tensor]]

    def real(self) -> tuple[Tensor, Tensor]:
        """Which boxes are none of padding (N, T), and all boxes (N, T, 4) float32, with zeros for padding."""
        real = self.boxes[..., 4] >= 0
        return real, self.boxes[..., :4].float().where(real[..., None], 0.0)

    def centres(self) -> Tensor:
        """(A, 2) of the anchors."""
        return (self.anchors[:, :2] + self.anchors[:, 2:]) / 2


class Matches(NamedTuple):
    """What the anchors learn.

    Attributes:
        boxes: (N, A) int64: number of the box, -1 for background.
        quality: (N, A) score that a matched anchor's class should have, for losses with soft labels; 0 for background.
            None: the IoU of box and prediction, which the loss computes.
    """

    boxes: Tensor
    quality: Tensor | None = None


class Matcher(ABC):
    """Assigns each anchor of a batch to a box or to the background. Called without gradients."""

    @abstractmethod
    def __call__(self, scene: Scene) -> Matches:
        """The matches of a batch."""


class ByIoU(Matcher):
    """SSD's rule: boxes that anchors overlap by task.loss.threshold, and one anchor for every box (assign.py)."""

    def __call__(self, scene: Scene) -> Matches:
        return Matches(assign(scene.boxes, scene.anchors, scene.threshold))


class ATSS(Matcher):
    """Adaptive training sample selection (Zhang et al., CVPR 2020, algorithm 1).

    Candidates for a box are the anchors in the nearest cells of each map. Those learn it whose IoU reaches the mean of
    the candidates' plus their standard deviation, and whose centre is inside the box. An anchor that several boxes want
    learns the one it overlaps most.

    Args:
        topk: cells of each map; like the authors' code, every anchor in them is a candidate.
        claim: whether every box also gets the anchor that it overlaps most. In the paper, a box that contains no
            centre of an anchor is not learnt.
    """

    def __init__(self, *, topk: int = 9, claim: bool = False) -> None:
        check_topk(topk)
        self.topk, self.claim = topk, claim

    def __call__(self, scene: Scene) -> Matches:
        real, boxes = scene.real()
        centres = scene.centres()
        near = self.candidates(boxes, centres, scene.maps or [(len(centres), 1)])  # (N, T, K)
        overlaps = overlap(boxes, scene.anchors.float())  # (N, T, A)
        ious = overlaps.gather(2, near)
        least = ious.mean(2, keepdim=True) + ious.std(2, keepdim=True, correction=min(1, near.shape[2] - 1))
        chosen = (ious >= least) & inside(boxes[:, :, None], centres[near]) & real[..., None]
        wanted = torch.full_like(overlaps, -1.0).scatter_(2, near, ious.where(chosen, -1.0))
        matched = best(wanted)
        return Matches(claim(matched, overlaps, real) if self.claim else matched)

    def candidates(self, boxes: Tensor, centres: Tensor, maps: Sequence[tuple[int, int]]) -> Tensor:
        """(N, T, K): numbers of the anchors in the cells nearest to the centre of each box, map by map."""
        middle = ((boxes[..., :2] + boxes[..., 2:]) / 2)[:, :, None]
        found, start = [], 0
        for cells, per_cell in maps:
            stop = start + cells * per_cell
            away = (centres[start:stop:per_cell] - middle).square().sum(3)  # (N, T, cells)
            nearest = away.topk(min(self.topk, cells), 2, largest=False).indices
            shapes = torch.arange(start, start + per_cell, device=boxes.device)
            found.append((nearest[..., None] * per_cell + shapes).flatten(2))
            start = stop
        return torch.cat(found, 2)


class TaskAligned(Matcher):
    """The anchors whose predictions are best at both tasks already (TOOD: Feng et al., ICCV 2021, section 3.2).

    Alignment is score^alpha · IoU^beta, of the box's class and the predicted box. The topk best anchors with their
    centre inside a box learn it. The score they should reach is their alignment, scaled so that the best anchor of each
    box should reach the best IoU among its anchors (equation 6). An anchor that several boxes want learns the one that
    its prediction overlaps most.

    Args:
        alpha, beta: exponents of score and IoU.
        topk: anchors for each box.
        claim: whether the anchor that a box overlaps most may learn it although its centre is outside.
    """

    def __init__(self, *, alpha: float = 1.0, beta: float = 6.0, topk: int = 13, claim: bool = False) -> None:
        check_topk(topk)
        if not (alpha >= 0 and beta >= 0):
            raise ValueError(f"task.loss.match: alpha={alpha} and beta={beta} must be 0 or more")
        self.alpha, self.beta, self.topk, self.claim = alpha, beta, topk, claim

    def __call__(self, scene: Scene) -> Matches:
        real, boxes = scene.real()
        scores, predicted = scene.predict()
        labels = scene.boxes[..., 4].long().clamp(min=0)  # (N, T)
        own = scores.gather(2, labels[:, None].expand(-1, scores.shape[1], -1)).transpose(1, 2)  # (N, T, A)
        overlaps = overlap(boxes, predicted)
        allowed = inside(boxes[:, :, None], scene.centres()) & real[..., None]
        if self.claim:
            nearest = overlap(boxes, scene.anchors.float()).argmax(2, keepdim=True)
            allowed = allowed.scatter(2, nearest, real[..., None])
        aligned = (own**self.alpha * overlaps**self.beta).where(allowed, 0.0)
        top = aligned.topk(min(self.topk, aligned.shape[2]), 2)
        chosen = torch.zeros_like(allowed).scatter_(2, top.indices, top.values > 0)
        matched = best(overlaps.where(chosen, -1.0))
        return Matches(matched, quality(matched, aligned, overlaps))


def quality(matched: Tensor, aligned: Tensor, overlaps: Tensor) -> Tensor:
    """Alignment (N, A) of the matched anchors, scaled to the best IoU of each box; 0 for background.

    Args:
        matched: (N, A) number of the box, -1 for background.
        aligned, overlaps: (N, T, A) with every box.
    """
    numbers = torch.arange(aligned.shape[1], device=matched.device)[:, None]
    learnt = matched[:, None] == numbers  # (N, T, A)
    aligned = aligned.where(learnt, 0.0)
    most = aligned.amax(2, keepdim=True).clamp(min=torch.finfo(aligned.dtype).tiny)
    return (aligned / most * overlaps.where(learnt, 0.0).amax(2, keepdim=True)).sum(1)


def best(wanted: Tensor) -> Tensor:
    """(N, A): number of the box with the highest value (N, T, A) for each anchor, -1 if none reaches 0."""
    most, box = wanted.max(1)
    return box.where(most >= 0, -1)


def inside(boxes: Tensor, points: Tensor) -> Tensor:
    """Whether points (…, 2) lie inside boxes (…, 4), absolute xyxy; not on an edge."""
    left, top, right, bottom = boxes.unbind(-1)
    x, y = points.unbind(-1)
    return (x > left) & (x < right) & (y > top) & (y < bottom)


def check_topk(topk: int) -> None:
    """Raises a ValueError for less than one."""
    if not isinstance(topk, int) or topk < 1:
        raise ValueError(f"task.loss.match.topk={topk} must be a whole number, 1 or more")
