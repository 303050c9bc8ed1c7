"""Losses whose scores say how well a box fits, too: quality focal (Li et al., NeurIPS 2020), varifocal (Zhang et al.,
CVPR 2021).

Both train the score of a matched anchor's class towards the IoU of its predicted box with the true one, and all other
scores towards 0. A matcher that says a quality of its own, as TaskAligned does, decides over the target instead; then
each match also counts by that quality in the boxes' loss and in the number by which both losses are divided, as in TOOD
(Feng et al., ICCV 2021, equations 7-8).
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from heads.boxes import decode
from heads.ssdlite import RawBoxes
from tasks.detect.box_losses import iou
from tasks.detect.matchers import Matcher
from tasks.detect.multibox import Matched, SigmoidMultiBox, check_least, check_share


class SoftMultiBox(SigmoidMultiBox):
    """A loss of the classes against soft labels."""

    def terms(
        self, outputs: RawBoxes, anchors: Tensor, boxes: Tensor, maps: Sequence[tuple[int, int]] = ()
    ) -> dict[str, Tensor]:
        logits, offsets = outputs.logits.float(), outputs.offsets.float()
        found = self.matched(logits, offsets, anchors, boxes, maps)
        located = self.locate(offsets.flatten(0, 1)[found.rows], found.around, found.truth)
        quality = self.quality(offsets, found)
        if found.quality is None:
            count = (found.labels > 0).sum()
        else:
            located, count = located * quality.flatten()[found.rows], quality.sum()
        located, count = located.where(found.there, 0.0).sum(), count.clamp(min=1)
        classified = self.classify_softly(logits, found.labels, quality)
        return {"boxes": self.box_weight * located / count, "classes": classified / count}

    @torch.no_grad()
    def quality(self, offsets: Tensor, found: Matched) -> Tensor:
        """(N, A): score that each anchor's class should have, 0 for background."""
        if found.quality is not None:
            return found.quality
        predicted = decode(offsets.flatten(0, 1)[found.rows], found.around)
        each = torch.zeros_like(found.labels, dtype=torch.float32).flatten()
        each[found.rows] = iou(predicted, found.truth).where(found.there, 0.0)
        return each.view_as(found.labels)

    def classify(self, logits: Tensor, labels: Tensor) -> Tensor:
        """With hard labels: every matched anchor should have a score of 1."""
        return self.classify_softly(logits, labels, (labels > 0).float())

    def classify_softly(self, logits: Tensor, labels: Tensor, quality: Tensor) -> Tensor:
        """Summed loss of logits (N, A, C + 1), labels (N, A) and the scores (N, A) that these classes should have."""
        right = logits.gather(2, labels[..., None])[..., 0]  # (N, A)
        difference = self.present(right, quality) - self.absent(right)
        return self.absent(logits).sum() + difference.where(labels > 0, 0.0).sum()

    @abstractmethod
    def absent(self, logits: Tensor) -> Tensor:
        """Loss of each logit whose class is absent."""

    @abstractmethod
    def present(self, logits: Tensor, quality: Tensor) -> Tensor:
        """Loss of each logit whose class is present, and should have this score."""


class QualityFocalMultiBox(SoftMultiBox):
    """Quality focal loss: binary cross-entropy times |target - score|^beta (Li et al., equation 2).

    Args:
        threshold, box, box_weight, match: see MultiBox.
        beta: how strongly good scores are down-weighted; at least 1, for finite gradients.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        box: str = "giou",
        box_weight: float = 2.0,
        beta: float = 2.0,
        match: Matcher | None = None,
    ) -> None:
        super().__init__(threshold=threshold, box=box, box_weight=box_weight, match=match)
        check_least("beta", beta, 1)
        self.beta = beta

    def absent(self, logits: Tensor) -> Tensor:
        return logits.sigmoid() ** self.beta * F.softplus(logits)

    def present(self, logits: Tensor, quality: Tensor) -> Tensor:
        entropy = F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
        return (quality - logits.sigmoid()).abs() ** self.beta * entropy


class VarifocalMultiBox(SoftMultiBox):
    """Varifocal loss: absent classes as in the focal loss; present ones by their target (Zhang et al., equation 2).

    Args:
        threshold, box, box_weight, match: see MultiBox. The paper also weights each box's loss by its IoU.
        alpha: weight of the absent classes.
        gamma: how strongly easy ones of these are down-weighted; at least 1, for finite gradients.
    """

    def __init__(
        self,
        *,
        threshold: float = 0.5,
        box: str = "giou",
        box_weight: float = 2.0,
        alpha: float = 0.75,
        gamma: float = 2.0,
        match: Matcher | None = None,
    ) -> None:
        super().__init__(threshold=threshold, box=box, box_weight=box_weight, match=match)
        check_least("gamma", gamma, 1)
        check_share("alpha", alpha)
        self.alpha, self.gamma = alpha, gamma

    def absent(self, logits: Tensor) -> Tensor:
        return self.alpha * logits.sigmoid() ** self.gamma * F.softplus(logits)

    def present(self, logits: Tensor, quality: Tensor) -> Tensor:
        return quality * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
