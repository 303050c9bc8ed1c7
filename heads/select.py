"""From scores of all anchors to the selected boxes: torchvision's rules for SSD, at a fraction of the work."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torchvision.ops import nms

from heads.boxes import Detections, clip, decode
from heads.select_at_once import select_at_once
from heads.suppress import Rule

MOST = 100_000


class Select:
    """Threshold, top-k per class, non-maximum suppression within each class, top-k of the image.

    Same result as torchvision's `SSD.postprocess_detections`; for equal scores the lower class goes first, then the
    earlier anchor, which torchvision's top-k leaves undefined. Suppression goes down the scores, so a box depends only
    on better ones: it is enough to process the best few candidates, and more only if too few survive.
    Classes are separated by moving their boxes far apart, in float64 if that loses nothing.

    Args:
        threshold, overlap, per_class, detections: see Rule.

    Raises:
        ValueError: for a value out of range.
    """

    def __init__(
        self, *, threshold: float = 0.001, overlap: float = 0.55, per_class: int = 300, detections: int = 300
    ) -> None:
        for name, share in (("threshold", threshold), ("overlap", overlap)):
            if not isinstance(share, float | int) or not 0 <= share <= 1:
                raise ValueError(f"task.select.{name}={share} must lie between 0 and 1")
        for name, count in (("per_class", per_class), ("detections", detections)):
            if type(count) is not int or not 1 <= count <= MOST:
                raise ValueError(f"task.select.{name}={count} must be a whole number from 1 to {MOST:,}")
        self.threshold, self.overlap, self.limit = threshold, overlap, just_above(overlap)
        self.per_class, self.detections = per_class, detections

    @property
    def rule(self) -> Rule:
        """The rule, for a graph with fixed shapes."""
        return Rule(self.threshold, self.overlap, self.per_class, self.detections)

    def __call__(
        self,
        logits: Tensor,
        score: Callable[[Tensor], Tensor],
        offsets: Tensor,
        anchors: Tensor,
        size: tuple[int, int],
    ) -> Detections:
        """The best boxes, clipped to the images.

        Args:
            logits: (N, A, C + 1).
            score: converts logits (A, C + 1) to scores (A, C). Called per image, since one image's scores stay in a
                processor's cache.
            offsets: (N, A, 4).
            anchors: (A, 4).
            size: (height, width) of the images.
        """

        if logits.device.type == "cuda":
            return self.at_once(score(logits), clip(decode(offsets, anchors), size), size)

        def located(moves: Tensor, places: Tensor) -> Tensor:
            return clip(decode(moves[places], anchors[places]), size)

        rows = zip(logits, offsets, strict=True)
        return stacked([self.of_image(score(one), partial(located, moves), max(size)) for one, moves in rows])

    def of_boxes(self, scores: Tensor, boxes: Tensor, size: tuple[int, int]) -> Detections:
        """The best of already decoded boxes.

        Args:
            scores: (N, A, C).
            boxes: (N, A, 4), inside the images.
            size: (height, width) of the images.
        """
        if scores.device.type == "cuda":
            return self.at_once(scores, boxes, size)
        return stacked([self.of_image(one, own.__getitem__, max(size)) for one, own in zip(scores, boxes, strict=True)])

    def at_once(self, scores: Tensor, boxes: Tensor, size: tuple[int, int]) -> Detections:
        """The same by operations on the whole batch, which waits once for the device; see select_at_once()."""
        if not scores.numel():
            return stacked([self.of_image(one, own.__getitem__, 1) for one, own in zip(scores, boxes, strict=True)])
        found, sound = select_at_once(scores, boxes, self.rule, self.limit)
        rows = sound.tolist()
        if all(rows):
            return found
        return stacked(
            [
                found.of(row) if sound else self.of_image(scores[row], boxes[row].__getitem__, max(size))
                for row, sound in enumerate(rows)
            ]
        )

    def of_image(self, scores: Tensor, located: Callable[[Tensor], Tensor], side: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (K, 4), scores (K) and labels (K) of one image, best first.

        Args:
            scores: (A, C).
            located: returns the boxes (K, 4) of these anchors (K).
            side: the image's longer side; no box extends further.
        """
        classes, flat = scores.shape[1], scores.flatten()
        candidates = (flat > self.threshold).nonzero()[:, 0]
        values = flat[candidates]
        prefix = 2 * self.detections
        while True:
            everything = prefix >= len(values)
            chosen, best = candidates, values
            if not everything:  # including all that equal the last one
                enough = values >= values.topk(prefix, sorted=False).values.min()
                chosen, best = candidates[enough], values[enough]
            order = (chosen % classes).argsort(stable=True)
            order = order[best[order].argsort(descending=True, stable=True)]
            best, chosen = best[order], chosen[order]
            labels, places = chosen % classes, chosen // classes
            boxes = located(places)
            if len(best) > self.per_class:
                allowed = rank_in_class(labels, classes) < self.per_class
                best, labels, boxes = best[allowed], labels[allowed], boxes[allowed]
            apart = exact(boxes)
            kept = nms(apart + (labels * (side + 1))[:, None], best.to(apart.dtype), self.limit)
            if everything or len(kept) >= self.detections:
                kept = kept[: self.detections]
                return boxes[kept], best[kept], labels[kept]
            prefix *= 3


def exact(boxes: Tensor) -> Tensor:
    """Boxes in float64, unless their device has none."""
    return boxes if boxes.device.type == "mps" else boxes.double()


def stacked(found: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Detections:
    """Boxes, scores and labels of all images as one batch."""
    most = max((len(scores) for _, scores, _ in found), default=0)
    like = found[0][0] if found else torch.empty(0)
    boxes, scores = like.new_zeros(len(found), most, 4), like.new_zeros(len(found), most)
    labels = torch.full((len(found), most), -1, device=like.device)
    for row, (own_boxes, own_scores, own_labels) in enumerate(found):
        count = len(own_scores)
        boxes[row, :count], scores[row, :count], labels[row, :count] = own_boxes, own_scores, own_labels
    return Detections(boxes, scores, labels)


def just_above(overlap: float) -> float:
    """The float64 threshold for IoUs whose float32 value, torchvision's, exceeds the limit.

    Boxes of whole pixels can hit a limit like 0.55 exactly, so rounding decides.
    """
    limit = torch.tensor(overlap, dtype=torch.float64, device="cpu")  # where networks are built to count weights, too
    below = limit.float()
    if below > limit:
        below = below.nextafter(torch.tensor(-1.0, device="cpu"))
    above = below.nextafter(torch.tensor(2.0, device="cpu"))
    return float((below.double() + above.double()) / 2)


def rank_in_class(labels: Tensor, classes: int) -> Tensor:
    """Number of earlier entries of the same class, for each entry."""
    order = labels.argsort(stable=True)
    counts = torch.bincount(labels, minlength=classes)
    first = counts.cumsum(0) - counts
    ranks = torch.empty_like(labels)
    ranks[order] = torch.arange(len(labels), device=labels.device) - first[labels[order]]
    return ranks
