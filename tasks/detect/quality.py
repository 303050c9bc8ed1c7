"""How well the boxes of one image were found: which are right, wrong and missed."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]  # (K, 4) absolute xyxy
Labels = NDArray[np.int64]
Flags = NDArray[np.bool_]
SHOWN = 0.3  # score from which a box counts and is drawn
NEAR = 0.5  # overlap from which a box is right


class Matches(NamedTuple):
    """Which of the found boxes (D) are wrong and which of the true ones (K) missed, and how many are right."""

    wrong: Flags
    missed: Flags
    right: int

    def errors(self) -> int:
        return int(self.wrong.sum() + self.missed.sum())

    def quality(self) -> float:
        """F1, the harmonic mean of precision and recall; 1 where nothing is there and nothing was found."""
        counted = 2 * self.right + self.errors()
        return 2 * self.right / counted if counted else 1.0


def match(
    boxes: Boxes, labels: Labels, scores: NDArray[np.float64], truth: Boxes, true_labels: Labels, crowd: Flags
) -> Matches:
    """Each found box takes, the best-scored first, the free truth of its class that it covers best.

    A box that is left over is wrong, unless it lies in a crowd of its class.
    """
    top_left = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    common = (np.minimum(boxes[:, None, 2:], truth[None, :, 2:]) - top_left).clip(min=0).prod(2)  # (D, K)
    areas, true_areas = ((some[:, 2:] - some[:, :2]).prod(1) for some in (boxes, truth))
    whole = np.where(crowd, areas[:, None], areas[:, None] + true_areas - common)
    overlaps = np.where(labels[:, None] == true_labels, common / np.maximum(whole, 1e-9), 0)
    wrong, missed = np.zeros(len(boxes), bool), ~crowd
    for k in np.argsort(-scores, kind="stable"):
        free = np.where(missed, overlaps[k], 0)
        if free.max(initial=0) >= NEAR:
            missed[free.argmax()] = False
        else:
            wrong[k] = overlaps[k, crowd].max(initial=0) < NEAR
    return Matches(wrong, missed, int((~crowd & ~missed).sum()))
