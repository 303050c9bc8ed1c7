"""Whether boxes are what suppression may leave of the checkpoint's candidates: proved for the boxes themselves.

Greedy suppression has exactly one result: no kept box overlaps a better kept one of its class, and every candidate that
was not kept overlaps a better kept one, or had no room. Both are checked for the file's own boxes, so a tie that went
the other way needs no excuse for all that followed from it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.parity import Result

BLOCK = 2**20  # overlaps computed at once
PIXELS = 20  # as far as a difference of 1 in the score, when the nearest candidate is looked for


class Candidates(NamedTuple):
    """The boxes from which the checkpoint selected.

    Attributes:
        seen: (A, 4) boxes in the pixels of the network's input, where suppression is done.
        boxes: (A, 4) the same in the photo's pixels.
        scores: (A, C).
        overlap: IoU with a better box of its class above which a box is suppressed.
        detections: maximum number kept.
        kept: boxes (K, 4) in the network's input, scores (K) and labels (K) that the checkpoint keeps of these.
        threshold: scores are above it.
        per_class: the best so many of each class enter the suppression.
        scale: pixels of the photo per pixel of the input, across and down.
    """

    seen: NDArray[np.float32]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    overlap: float
    detections: int
    kept: tuple[NDArray[np.generic], ...] = ()
    threshold: float = 0.0
    per_class: int = 100_000
    scale: tuple[float, float] = (1.0, 1.0)


class Ties(NamedTuple):
    """Differences that may decide either way: of boxes in the input's pixels, of scores as a share of themselves."""

    pixels: float
    share: float


def faults(result: Result, anchors: NDArray[np.int64], made_of: Candidates, ties: Ties) -> tuple[int, int]:
    """How many of a result's boxes should not be there, and how many are missing.

    Args:
        anchors: (K) candidate that each box is; -1 for none.
    """
    known, labels = anchors >= 0, result["labels"]
    wrong, missing = int((~known).sum()), 0
    wrong += max(0, len(labels) - made_of.detections)
    full = len(labels) >= made_of.detections
    last = float(made_of.scores[anchors[known], labels[known]].min(initial=np.inf)) if full else 0.0
    for label in range(made_of.scores.shape[1]):
        own = anchors[known & (labels == label)]
        of_class = in_class(own, made_of, label, last, ties)
        wrong, missing = wrong + of_class[0], missing + of_class[1]
    return wrong, missing


def in_class(own: NDArray[np.int64], made_of: Candidates, label: int, last: float, ties: Ties) -> tuple[int, int]:
    """faults() among the candidates of one class.

    Args:
        own: (K) candidates that were kept.
        last: the lowest score in the image if there is no room for more; else 0.
    """
    scores = made_of.scores[:, label].astype(np.float64)
    ordered = np.sort(scores)
    better = len(scores) - np.searchsorted(ordered, scores * (1 + ties.share), "right")  # for certain
    as_good = len(scores) - np.searchsorted(ordered, scores * (1 - ties.share))  # at most, itself included
    may = (scores * (1 + ties.share) > made_of.threshold) & (better < made_of.per_class)
    must = (scores * (1 - ties.share) > made_of.threshold) & (as_good <= made_of.per_class)
    must &= scores * (1 - ties.share) > last
    least, _ = overlaps(made_of.seen[own], made_of.seen[own], ties.pixels)
    clash = np.triu(least > made_of.overlap, 1)  # whichever is better, it leaves no room for the other
    wrong = int((~may[own] | clash.any(0)).sum())
    must[own] = False
    others = np.flatnonzero(must)
    missing = 0
    for start in range(0, len(others), step := max(1, BLOCK // max(1, len(own)))):
        some = others[start : start + step]
        _, most = overlaps(made_of.seen[some], made_of.seen[own], ties.pixels)
        suppressed = (most > made_of.overlap) & (scores[own] >= scores[some, None] * (1 - ties.share))
        missing += int((~suppressed.any(1)).sum())
    return wrong, missing


def overlaps(ours: NDArray[np.float32], theirs: NDArray[np.float32], pixels: float) -> tuple[NDArray[np.float64], ...]:
    """The least and the largest IoU (K, L) of boxes (K, 4) and (L, 4) whose sides may lie so many pixels elsewhere.

    To first order. 0 for boxes without area.
    """
    one, two = ours.astype(np.float64)[:, None], theirs.astype(np.float64)[None]
    sides = np.minimum(one[..., 2:], two[..., 2:]) - np.maximum(one[..., :2], two[..., :2])
    apart = (sides <= -2 * pixels).any(2)
    sides = sides.clip(min=0)
    shared = sides.prod(2)
    lengths, others = one[..., 2:] - one[..., :2], two[..., 2:] - two[..., :2]
    union = np.maximum(lengths.prod(2) + others.prod(2) - shared, 1e-12)
    overlap = shared / union
    rounding = 2e-7  # float32
    slack = 2 * pixels * ((1 + overlap) * sides.sum(2) + overlap * (lengths + others).sum(2)) / union + rounding
    slack[apart] = 0
    return overlap - slack, overlap + slack


class Matches(NamedTuple):
    """The nearest candidate of each box.

    Attributes:
        anchors: (K) its number; -1 for none.
        boxes: (K, 4) what the box has more than it, in the input's pixels.
        scores: (K) the same of the score.
    """

    anchors: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]


def matches_of(result: Result, made_of: Candidates) -> Matches:
    """The nearest candidate of each box; no two are the same."""
    count = len(result["labels"])
    found = Matches(np.full(count, -1), np.zeros((count, 4)), np.zeros(count))
    scale = np.array(made_of.scale * 2)[:, None]
    of_photo = made_of.boxes.T.astype(np.float64, order="C")  # (4, A): a maximum along rows takes a sixth of the time
    free = np.ones(made_of.scores.shape, np.bool_)
    for number, (box, score, label) in enumerate(
        zip(result["boxes"], result["scores"], result["labels"].tolist(), strict=True)
    ):
        if not 0 <= label < made_of.scores.shape[1] or not np.isfinite(box).all() or not np.isfinite(score):
            continue
        more, above = (box[:, None] - of_photo) / scale, score - made_of.scores[:, label].astype(np.float64)
        distance = np.where(free[:, label], np.abs(more).max(0) + PIXELS * np.abs(above), np.inf)
        nearest = int(distance.argmin())
        if distance[nearest] < np.inf:
            found.anchors[number], found.boxes[number], found.scores[number] = nearest, more[:, nearest], above[nearest]
            free[nearest, label] = False
    return found
