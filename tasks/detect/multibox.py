"""Losses of single-shot detection: SSD's (Liu et al., ECCV 2016, 2.2) and the focal loss (Lin et al., ICCV 2017)."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from heads.boxes import decode, encode
from heads.ssdlite import RawBoxes
from tasks.common.distillation import binary_divergence, divergence
from tasks.common.errors import not_one_of
from tasks.detect.box_losses import OF_BOXES
from tasks.detect.matchers import ByIoU, Matcher, Scene

BOX_LOSSES = ("smooth_l1", *OF_BOXES)


def check_least(name: str, value: float, least: float) -> None:
    """Raises a ValueError for a number below its minimum."""
    if not isinstance(value, float | int) or value < least:
        raise ValueError(f"task.loss.{name}={value} must be {least} or more")


def check_share(name: str, value: float) -> None:
    """Raises a ValueError for a number outside 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"task.loss.{name}={value} must lie between 0 and 1")


def looked_at(mask: Tensor) -> Tensor | slice:
    """Which entries of a flattened mask the loss is computed for: on the CPU only those that are set, which are few.

    On other devices all of them, to be masked afterwards: counting them would sync with the device in every step.
    """
    return torch.from_numpy(mask.numpy().ravel().nonzero()[0]) if mask.device.type == "cpu" else slice(None)


def at_most(requested: Tensor, limit: int) -> int:
    """Upper bound for topk's k: the true maximum on the CPU; elsewhere `limit`, to avoid a device sync."""
    return min(limit, math.ceil(requested.numpy().max())) if requested.device.type == "cpu" else limit


class Matched(NamedTuple):
    """The matches of a batch, of R anchors: on the CPU the matched ones, elsewhere all N · A.

    Attributes:
        labels: (N, A) class from 1 on, 0 for background.
        quality: (N, A) score that each should have, if the matcher says one.
        rows: the R anchors among all of the batch.
        there: (R) which of them are matched.
        truth: (R, 4) their boxes; anything where not matched.
        around: (R, 4) the anchors themselves.
    """

    labels: Tensor
    quality: Tensor | None
    rows: Tensor | slice
    there: Tensor
    truth: Tensor
    around: Tensor


class MultiBox(nn.Module, ABC):
    """Classes of all anchors and boxes of the matched ones, both divided by the number of matches in the batch.

    Attributes:
        activation: that turns logits into scores, "softmax" or "sigmoid"; column 0 is dropped afterwards.

    Args:
        threshold: IoU from which an anchor is matched, if the matcher is ByIoU (tasks/detect/assign.py).
        box: "smooth_l1" of the offsets, summed over the four; or of the boxes "giou", "diou" or "ciou"
            (tasks/detect/box_losses.py).
        box_weight: of that loss relative to the classes' loss.
        match: which anchors learn which box; None for ByIoU.

    Raises:
        ValueError: for an unknown box loss, a threshold outside 0-1, or one that the matcher does not have.
    """

    activation: ClassVar[str]

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        box: str = "smooth_l1",
        box_weight: float = 1.0,
        match: Matcher | None = None,
    ) -> None:
        super().__init__()
        if box not in BOX_LOSSES:
            raise ValueError(f"task.loss.box={box} {not_one_of(box, BOX_LOSSES)}")
        if not 0 < threshold <= 1:
            raise ValueError(f"task.loss.threshold={threshold} must lie between 0 and 1")
        check_least("box_weight", box_weight, 0)
        if match is not None and not isinstance(match, Matcher):
            raise ValueError(f"task.loss.match={match} matches no anchors; use match=iou or another of that group")
        if threshold != 0.5 and match is not None and not isinstance(match, ByIoU):
            raise ValueError(
                f"task.loss.threshold={threshold} is of match=iou: {type(match).__name__} has no threshold"
            )
        self.threshold, self.box, self.box_weight = threshold, box, box_weight
        self.match = match or ByIoU()

    def forward(
        self, outputs: RawBoxes, anchors: Tensor, boxes: Tensor, maps: Sequence[tuple[int, int]] = ()
    ) -> Tensor:
        """A scalar, the sum of terms()."""
        terms = self.terms(outputs, anchors, boxes, maps)
        return terms["boxes"] + terms["classes"]

    def terms(
        self, outputs: RawBoxes, anchors: Tensor, boxes: Tensor, maps: Sequence[tuple[int, int]] = ()
    ) -> dict[str, Tensor]:
        """Scalars: `boxes`, with its weight, and `classes`.

        Args:
            anchors: (A, 4) absolute xyxy.
            boxes: (N, T, 5) absolute xyxy and class number from 0, -1 for padding.
            maps: for each map the number of its cells and of the anchors in each.
        """
        logits, offsets = outputs.logits.float(), outputs.offsets.float()
        found = self.matched(logits, offsets, anchors, boxes, maps)
        each = self.locate(offsets.flatten(0, 1)[found.rows], found.around, found.truth)
        located = each.where(found.there, 0.0).sum()
        matches = (found.labels > 0).sum().clamp(min=1)
        return {"boxes": self.box_weight * located / matches, "classes": self.classify(logits, found.labels) / matches}

    @torch.no_grad()
    def matched(
        self, logits: Tensor, offsets: Tensor, anchors: Tensor, boxes: Tensor, maps: Sequence[tuple[int, int]]
    ) -> Matched:
        """What each anchor learns; arguments as of terms(), with float32 logits and offsets."""
        scene = Scene(boxes, anchors, maps, self.threshold, lambda: (self.scores(logits), decode(offsets, anchors)))
        matched, quality = self.match(scene)
        there = matched >= 0
        whose = matched.clamp(min=0)
        labels = (boxes[..., 4].long() + 1).gather(1, whose) * there
        sound = boxes[..., :4].where(boxes[..., 4:] >= 0, anchors[0])  # padding gets a box with an area
        rows = looked_at(there)
        truth = sound.gather(1, whose[..., None].expand(-1, -1, 4)).flatten(0, 1)[rows]
        around = anchors.expand(len(boxes), -1, -1).flatten(0, 1)[rows]
        return Matched(labels, quality, rows, there.flatten()[rows], truth, around)

    def distance(self, outputs: RawBoxes, teacher: RawBoxes, temperature: float) -> Tensor:
        """A scalar: the classes of all anchors against a teacher's, and the offsets where the teacher sees an object.

        Both are divided by the number of the latter anchors, as the loss is by the number of matches.
        """
        seen = self.sees(teacher.logits)  # (N, A)
        each = F.smooth_l1_loss(outputs.offsets.float(), teacher.offsets.float(), reduction="none")
        located = each.sum(2).where(seen, 0.0).sum()
        classified = self.diverge(outputs.logits, teacher.logits, temperature).sum()
        return (self.box_weight * located + classified) / seen.sum().clamp(min=1)

    def locate(self, offsets: Tensor, anchors: Tensor, boxes: Tensor) -> Tensor:
        """Loss (R) of anchors' boxes: (R, 4) each."""
        if self.box in OF_BOXES:
            return OF_BOXES[self.box](decode(offsets, anchors), boxes)
        return F.smooth_l1_loss(offsets, encode(boxes, anchors), reduction="none").sum(1)

    @abstractmethod
    def classify(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Summed loss of the classes: logits (N, A, C + 1), labels (N, A) from 1 on, 0 for background."""

    @abstractmethod
    def diverge(self, logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """Divergence of each anchor's classes from a teacher's: (N, A) from logits (N, A, C + 1)."""

    @abstractmethod
    def sees(self, logits: Tensor) -> Tensor:
        """Whether each anchor (N, A) is an object according to logits (N, A, C + 1)."""

    @abstractmethod
    def scores(self, logits: Tensor) -> Tensor:
        """Scores (…, C) from logits (…, C + 1) trained with this loss."""


class SoftmaxMultiBox(MultiBox):
    """Cross-entropy of the matched anchors and each image's hardest unmatched ones (hard-negative mining).

    If there are fewer unmatched anchors than requested, all are used; torchvision then counts the matched ones twice.

    Args:
        threshold, box, box_weight, match: see MultiBox.
        negatives: number of unmatched anchors per match.
        least_negatives: minimum per image, even if it has no boxes; SSD would learn nothing from such an image.
    """

    activation = "softmax"

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        box: str = "smooth_l1",
        box_weight: float = 1.0,
        negatives: float = 3.0,
        least_negatives: int = 3,
        match: Matcher | None = None,
    ) -> None:
        super().__init__(threshold=threshold, box=box, box_weight=box_weight, match=match)
        check_least("negatives", negatives, 0)
        check_least("least_negatives", least_negatives, 0)
        self.negatives, self.least_negatives = negatives, least_negatives

    def classify(self, logits: Tensor, labels: Tensor) -> Tensor:
        with torch.no_grad():  # only the chosen anchors need gradients
            matched = labels > 0
            mistaken = -logits.log_softmax(2)[..., 0]  # (N, A): the loss as background, never negative
            matches = matched.sum(1, keepdim=True, dtype=torch.float32)
            requested = (self.negatives * matches).clamp(min=self.least_negatives)
            order = mistaken.masked_fill(matched, -1.0).topk(at_most(requested, matched.shape[1]), 1).indices
            first = torch.arange(order.shape[1], device=order.device) < requested  # in that order
            chosen = matched.scatter(1, order, first).logical_or_(matched).flatten()
            rows = looked_at(chosen)
        each = F.cross_entropy(logits.flatten(0, 1)[rows], labels.flatten()[rows], reduction="none")
        return each.where(chosen[rows], 0.0).sum()

    def diverge(self, logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        return divergence(logits, teacher, temperature, dim=2)

    def sees(self, logits: Tensor) -> Tensor:
        """Some class is more likely than the background."""
        return logits.argmax(2) > 0

    def scores(self, logits: Tensor) -> Tensor:
        return logits.softmax(-1)[..., 1:]


class SigmoidMultiBox(MultiBox):
    """Losses with a score of its own for every class.

    The background has no score: its column is trained towards zero and dropped.
    """

    activation = "sigmoid"

    def diverge(self, logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        return binary_divergence(logits[..., 1:], teacher[..., 1:], temperature, dim=2)

    def sees(self, logits: Tensor) -> Tensor:
        """Some class is more likely present than not."""
        return (logits[..., 1:] > 0).any(2)

    def scores(self, logits: Tensor) -> Tensor:
        return logits[..., 1:].sigmoid()


class FocalMultiBox(SigmoidMultiBox):
    """Sigmoid focal loss of all anchors, as in TensorFlow's configuration of MobileNetV3's SSDLite.

    Args:
        threshold, box, box_weight, match: see MultiBox. TensorFlow divides the offsets' loss by four: box_weight=0.25.
        alpha: weight of the matched anchors' class; everything else has 1 - alpha.
        gamma: how strongly easy examples are down-weighted; at least 1: below, gradients at a loss of 0 are infinite.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        box: str = "smooth_l1",
        box_weight: float = 1.0,
        alpha: float = 0.75,
        gamma: float = 2.0,
        match: Matcher | None = None,
    ) -> None:
        super().__init__(threshold=threshold, box=box, box_weight=box_weight, match=match)
        check_least("gamma", gamma, 1)
        check_share("alpha", alpha)
        self.alpha, self.gamma = alpha, gamma

    def classify(self, logits: Tensor, labels: Tensor) -> Tensor:
        right = logits.gather(2, labels[..., None])[..., 0]  # (N, A)
        return self.absent(logits).sum() + (self.present(right) - self.absent(right)).where(labels > 0, 0.0).sum()

    def absent(self, logits: Tensor) -> Tensor:
        """Loss of each logit whose class is absent."""
        return (1 - self.alpha) * logits.sigmoid() ** self.gamma * F.softplus(logits)

    def present(self, logits: Tensor) -> Tensor:
        """Loss of each logit whose class is present."""
        return self.alpha * (-logits).sigmoid() ** self.gamma * F.softplus(-logits)
