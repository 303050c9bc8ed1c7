"""Whether an exported file finds the checkpoint's boxes."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from tasks.common.parity import Agreement, Parity, Result, but_for_ties
from tasks.detect.selection import Candidates, Ties, faults, matches_of

ENOUGH = 200  # boxes on the images that are compared
SAME_BOX = 0.9  # int8: IoU with a partner
SURE = 0.3  # int8: score from which boxes need one, or half of the image's best; the partner needs only half of that
WIDER = 4  # of the largest differences among an image's boxes, the differences that may decide a tie
LEAST = Ties(1e-3, 1e-5)  # what may decide one in any case
BOX, SHIFT = "boxes, pixels", "boxes, mean shift"
SCORE, SHARE, BIAS = "scores", "scores, share of themselves", "scores, mean change"


class SameBoxes(Parity):
    """The share of boxes that the checkpoint's candidates prove; for int8, of confident ones that have a partner.

    Rounding to fewer bits moves single boxes and scores, in all directions: means tell more of fp16 and bf16 files.
    """

    least: ClassVar[Mapping[str, float]] = {"fp32": 1.0, "fp16": 0.99, "bf16": 0.95, "int8": 0.6}
    limits: ClassVar[Mapping[str, Mapping[str, float | None]]] = {
        SCORE: {"fp32": 1e-4, "fp16": 0.03, "bf16": 0.2, "int8": None},
        SHARE: {"fp32": 0.01, "fp16": 0.15, "bf16": 1.0, "int8": None},
        BIAS: {"fp32": 1e-4, "fp16": 0.01, "bf16": 0.1, "int8": None},
        BOX: {"fp32": 0.05, "fp16": 2.0, "bf16": 16.0, "int8": None},
        SHIFT: {"fp32": 0.05, "fp16": 0.1, "bf16": 1.0, "int8": None},
    }

    def agreement(self, ours: Result, theirs: Result, made_of: Candidates | None, precision: str) -> Agreement:
        if precision == "int8" or made_of is None:
            return partners(ours, theirs)
        return same_selection(theirs, made_of)

    def title(self, agreements: Sequence[Agreement]) -> str:
        count = sum(each.total for each in agreements)
        if not any(each.numbers for each in agreements):
            return f"{count:,} sure boxes with a partner"
        return f"{count:,} boxes, the same set{but_for_ties(agreements)}"

    def unseen(self, results: Sequence[Result], _classes: Sequence[str], _form: str) -> str:
        count = sum(len(result["scores"]) for result in results)
        return f"there are {count} boxes, not {ENOUGH}" if count < ENOUGH else ""


def same_selection(theirs: Result, made_of: Candidates) -> Agreement:
    """Whether the file's boxes are a right selection of the checkpoint's candidates, and how far they differ from them.

    A tie is a comparison of two scores, or of an overlap with its limit, that a few times the largest difference among
    the image's boxes would turn.
    """
    anchors, boxes, scores = matches_of(theirs, made_of)
    known = anchors >= 0
    boxes, scores, of_ours = boxes[known], scores[known], made_of.scores[anchors[known], theirs["labels"][known]]
    numbers = {
        SCORE: largest(scores),
        SHARE: largest(scores / np.maximum(of_ours, 1e-6)),
        BIAS: largest(scores.sum() / max(float(of_ours.sum()), 1e-6)),
        BOX: largest(boxes),
        SHIFT: largest(boxes.sum(0) / max(1, len(boxes))),
    }
    ties = Ties(max(LEAST.pixels, WIDER * numbers[BOX]), max(LEAST.share, min(0.5, WIDER * numbers[SHARE])))
    wrong, missing = faults(theirs, anchors, made_of, ties)
    falling = np.maximum.accumulate(theirs["scores"][::-1])[::-1] * (1 - ties.share) <= theirs["scores"]
    wrong += int((~falling).sum())
    count = len(anchors) + missing
    turned = sum(faults(theirs, anchors, made_of, Ties(0.0, 0.0))) if not wrong + missing else 0
    return Agreement(max(0, len(anchors) - wrong), count, turned, numbers)


def largest(differences: NDArray[Any]) -> float:
    return float(np.abs(differences).max(initial=0))


def partners(ours: Result, theirs: Result) -> Agreement:
    """Number of confident boxes, of both sides, that the other side also has, and their total number."""
    found, count = 0, 0
    sure_from = min(SURE, max(ours["scores"].max(initial=0), theirs["scores"].max(initial=0)) / 2)
    for one, other in ((ours, theirs), (theirs, ours)):
        sure, likely = one["scores"] >= sure_from, other["scores"] >= sure_from / 2
        overlap = iou(one["boxes"][sure], other["boxes"][likely])
        same = one["labels"][sure][:, None] == other["labels"][likely]
        found += int(((overlap >= SAME_BOX) & same).any(1).sum())
        count += int(sure.sum())
    return Agreement(found, count)


def iou(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
    """(K, L) of boxes (K, 4) and (L, 4), xyxy."""
    low, high = np.maximum(ours[:, None, :2], theirs[:, :2]), np.minimum(ours[:, None, 2:], theirs[:, 2:])
    shared = (high - low).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (ours, theirs)]
    result: NDArray[Any] = shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)
    return result
