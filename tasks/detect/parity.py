"""Whether an exported file finds the checkpoint's boxes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.parity import Counts, Parity, Result

SAME_BOX = 0.9  # IoU with a partner
SURE = 0.3  # score from which boxes need one, or half of the image's best; the partner needs only half of that score
SCORES = 10  # logits reach about 10: a relative error in a logit is up to 10 times as large in its score
OVERLAPS = 0.1  # largest allowed IoU difference: with more, suppression would not really be checked


class Candidates(NamedTuple):
    """The boxes from which the checkpoint selected.

    Attributes:
        seen: (A, 4) boxes in the pixels of the network's input, where suppression is done.
        boxes: (A, 4) the same in the photo's pixels.
        scores: (A, C).
        overlap: IoU with a better box of its class above which a box is suppressed.
        detections: maximum number kept.
        kept: boxes (K, 4) in the network's input, scores (K) and labels (K) that the checkpoint keeps of these.
    """

    seen: NDArray[np.float32]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    overlap: float
    detections: int
    kept: tuple[NDArray[Any], ...] = ()


class SameBoxes(Parity):
    """The share of confident boxes, of both sides and all images, that have a partner."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 0.99, "fp16": 0.95, "bf16": 0.9, "int8": 0.6}

    def counts(self, ours: Result, theirs: Result, made_of: Candidates | None, ties: float) -> Counts:
        return same_boxes(ours, theirs, made_of, ties)

    def title(self, counts: Sequence[Counts]) -> str:
        return f"{sum(count for _, count in counts)} boxes with a partner"


def same_boxes(ours: Result, theirs: Result, made_of: Candidates | None, ties: float) -> Counts:
    """Number of confident boxes, of both sides, that the other side also has, and their total number.

    A box missing on the other side is accepted if that side kept another one in its place that the checkpoint scores
    as high. A box of the file that another box of the file should have suppressed has no partner.

    Args:
        ties: share by which logits may differ; scores and overlaps may differ by SCORES times as much.
    """
    found, count = 0, 0
    sure_from = min(SURE, max(ours["scores"].max(initial=0), theirs["scores"].max(initial=0)) / 2)
    excused = [np.zeros(len(side["scores"]), np.bool_) for side in (ours, theirs)]
    doubled = np.zeros(len(theirs["scores"]), np.bool_)
    if made_of is not None and ties:
        places = [candidates_of(side, made_of, SCORES * ties) for side in (ours, theirs)]
        excused = [
            replaced(ours, theirs, places[0], places[1], made_of, SCORES * ties),
            replaced(theirs, ours, places[1], places[0], made_of, SCORES * ties),
        ]
        doubled = unsuppressed(theirs, places[1], made_of, SCORES * ties)
    for one, other, reason, wrong in (
        (ours, theirs, excused[0], np.zeros_like(excused[0])),
        (theirs, ours, excused[1], doubled),
    ):
        sure, likely = one["scores"] >= sure_from, other["scores"] >= sure_from / 2
        overlap = iou(one["boxes"][sure], other["boxes"][likely])
        same = one["labels"][sure][:, None] == other["labels"][likely]
        partnered = ((overlap >= SAME_BOX) & same).any(1)
        found += int(((partnered | reason[sure]) & ~wrong[sure]).sum())
        count += int(sure.sum())
    return found, count


def candidates_of(result: Result, made_of: Candidates, margin: float) -> NDArray[np.int64]:
    """(K) the checkpoint's candidate that each box corresponds to; -1 for none."""
    places = np.full(len(result["labels"]), -1)
    for number, (box, score, label) in enumerate(
        zip(result["boxes"], result["scores"], result["labels"].tolist(), strict=True)
    ):
        if not 0 <= label < made_of.scores.shape[1]:
            continue
        near = np.flatnonzero(np.abs(made_of.scores[:, label] - score) <= margin * score)
        overlap = iou(box[None], made_of.boxes[near])[0]
        if len(near) and overlap.max() >= SAME_BOX:
            places[number] = near[overlap.argmax()]
    return places


def replaced(
    one: Result,
    other: Result,
    places: NDArray[np.int64],
    other_places: NDArray[np.int64],
    made_of: Candidates,
    margin: float,
) -> NDArray[np.bool_]:
    """(K) candidates kept on one side that the other had to drop: for an equally good box, or because it was full.

    Args:
        places, other_places: indices of the boxes among the candidates.
    """
    known = other_places >= 0
    overlap = iou(made_of.seen[places], made_of.seen[other_places[known]])
    same = one["labels"][:, None] == other["labels"][known]
    as_good = other["scores"][known] >= one["scores"][:, None] * (1 - margin)
    left_out = (same & as_good & (overlap > made_of.overlap - min(margin, OVERLAPS))).any(1)
    if len(other["scores"]) >= made_of.detections:
        left_out |= one["scores"] <= other["scores"].min() * (1 + margin)
    result: NDArray[np.bool_] = left_out & (places >= 0)
    return result


def unsuppressed(result: Result, places: NDArray[np.int64], made_of: Candidates, margin: float) -> NDArray[np.bool_]:
    """(K) boxes, best first, that overlap a better one of their class by more than suppression allows."""
    overlap = iou(made_of.seen[places], made_of.seen[places])
    same = result["labels"][:, None] == result["labels"]
    known = (places >= 0) & (places >= 0)[:, None]
    clash = same & known & (overlap > made_of.overlap + min(margin, OVERLAPS))
    found: NDArray[np.bool_] = np.tril(clash, -1).any(1)
    return found


def iou(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
    """(K, L) of boxes (K, 4) and (L, 4), xyxy."""
    low, high = np.maximum(ours[:, None, :2], theirs[:, :2]), np.minimum(ours[:, None, 2:], theirs[:, 2:])
    shared = (high - low).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (ours, theirs)]
    result: NDArray[Any] = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)
    return result
