"""How well the boxes of one image were found: right, wrong and missed ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.detect.arrange import ranks
from tasks.detect.matching import match as matched
from tasks.detect.matching import overlapping

Boxes = NDArray[np.float64]  # (K, 4) absolute xyxy
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]
SHOWN = 0.3  # score from which a box counts and is drawn
NEAR = 0.5  # overlap from which a box is right


class Matches(NamedTuple):
    """Which of the found boxes (D) are wrong, which of the true ones (K) were missed, and how many are right."""

    wrong: Flags
    missed: Flags
    right: int

    def errors(self) -> int:
        return int(self.wrong.sum() + self.missed.sum())

    def quality(self) -> float:
        """F1, the harmonic mean of precision and recall; 1 if there is nothing and nothing was found."""
        counted = 2 * self.right + self.errors()
        return 2 * self.right / counted if counted else 1.0


def match(
    boxes: Boxes, labels: Labels, scores: NDArray[np.float64], truth: Boxes, true_labels: Labels, crowd: Flags
) -> Matches:
    """Match each found box to the truth of its class that it covers best, by COCO's rules (tasks/detect/matching.py).

    An unmatched box is wrong, unless it is in a crowd of its class.
    """
    truth_of = assigned(boxes, labels, scores, truth, true_labels, crowd)
    hit = truth_of >= 0
    missed = ~crowd
    missed[truth_of[hit]] = False
    return Matches(~hit, missed, int((~crowd[truth_of[hit]]).sum()))


def assigned(
    boxes: Boxes, labels: Labels, scores: NDArray[np.float64], truth: Boxes, true_labels: Labels, crowd: Flags
) -> Labels:
    """(D) the truth that each found box is matched to, -1 for none.

    Better scored boxes choose first, so that the matches of all boxes from a score on do not depend on the others.
    """
    by_class = np.argsort(true_labels, kind="stable")
    true_labels, crowd = true_labels[by_class], crowd[by_class]
    pairs = overlapping(to_xywh(boxes), labels, to_xywh(truth[by_class]), true_labels, crowd, NEAR)
    rank = ranks(labels, np.lexsort((-scores, labels)))
    matches = matched(pairs, rank, crowd, crowd, np.array([NEAR]))
    truth_of = np.full(len(boxes), -1, np.int64)
    truth_of[matches.found] = by_class[matches.truth]
    return truth_of


def to_xywh(boxes: Boxes) -> Boxes:
    """Boxes (K, 4) xyxy as x, y, width, height."""
    return np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1)
