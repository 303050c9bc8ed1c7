"""Classifies wrong detections, after Hoiem et al. (ECCV 2012) and TIDE (Bolya et al., ECCV 2020)."""

from typing import NamedTuple

import numpy as np

from tasks.detect.arrange import Arranged, Flags, Floats, Found, Integers, Truths, arrange
from tasks.detect.matching import match, overlapping

NEAR, SOMEWHERE = 0.5, 0.1  # the IoU of a hit, and the least IoU that still refers to the object
KINDS = ("right", "duplicate", "wrong class", "badly located", "background", "missed")


class Errors(NamedTuple):
    """Number of detections and truths of each kind, at an IoU of 0.5.

    A detection gets the first kind that applies: *right* if it has found a truth of its class; *duplicate* if the truth
    of its class that it covers was found by another; *wrong class* if it covers a truth of another class; *badly
    located* if its IoU with one of its class is 0.1 to 0.5; else *background*. *Missed* are the truths that nothing has
    found. Detections on a crowd of their class and crowds themselves are not counted.

    Attributes:
        score: only detections from this score on are counted: the score of the best F1 over all classes, since networks
            differ in their confidence.
        categories: (K) ids, ascending.
        counts: (K, 6) by the class of the detection or missed truth and by KINDS; `counts.sum(0)` are the totals.
    """

    score: float
    categories: Integers
    counts: Integers


class Judged(NamedTuple):
    """Detections matched with truths at an IoU of 0.5.

    Attributes:
        data: sorted detections and truths.
        categories: (K) ids, ascending.
        truth_of, on_crowd: see hits().
        score: the threshold with the best F1 over all classes; infinite without detections.
    """

    data: Arranged
    categories: Integers
    truth_of: Integers
    on_crowd: Flags
    score: float

    def best_threshold(self) -> float | None:
        """The score with the best F1; None if no detection is right."""
        return self.score if (self.truth_of >= 0).any() else None


def judge(truths: Truths, found: Found, images: Integers, categories: Integers) -> Judged:
    """Match the detections; the arguments are those of `coco_map.evaluate`."""
    images, categories = np.unique(images), np.unique(categories)
    data = arrange(truths, found, images, categories)
    truth_of, on_crowd = hits(data)
    score = best_score(data.found.scores[~on_crowd], truth_of[~on_crowd] >= 0, int((~data.truths.crowd).sum()))
    return Judged(data, categories, truth_of, on_crowd, score)


def errors(judged: Judged) -> Errors:
    """Classify the detections."""
    data, categories, truth_of, on_crowd, score = judged
    sure = data.found.scores >= score
    same, other = best_overlaps(data)
    kind = np.select(
        (truth_of >= 0, same >= NEAR, other >= NEAR, same >= SOMEWHERE),
        [KINDS.index(name) for name in ("right", "duplicate", "wrong class", "badly located")],
        KINDS.index("background"),
    )
    looked_at = sure & ~on_crowd
    missed = ~data.truths.crowd
    missed[truth_of[sure & (truth_of >= 0)]] = False

    counts = np.zeros((len(categories), len(KINDS)), np.int64)
    np.add.at(counts, (data.found.category[looked_at], kind[looked_at]), 1)
    counts[:, KINDS.index("missed")] = np.bincount(data.truths.category[missed], minlength=len(categories))
    return Errors(score, categories, counts)


def hits(data: Arranged) -> tuple[Integers, Flags]:
    """(D) the truth that each detection has found, -1 for none, and (D) whether it is on a crowd instead."""
    truths = data.truths
    pairs = overlapping(data.found.boxes, data.found_group, truths.boxes, data.truth_group, truths.crowd, NEAR)
    matches = match(pairs, data.rank, truths.crowd, truths.crowd, np.array([NEAR]))
    truth_of = np.full(len(data.rank), -1)
    truth_of[matches.found] = matches.truth
    on_crowd = (truth_of >= 0) & np.append(truths.crowd, False)[truth_of]
    return np.where(on_crowd, -1, truth_of), on_crowd


def best_score(scores: Floats, right: Flags, truths: int) -> float:
    """The score threshold with the highest F1 = 2 right / (detections + truths); infinite without detections."""
    if not len(scores):
        return float("inf")
    order = np.argsort(-scores)
    scores = scores[order]
    f1 = 2 * np.cumsum(right[order]) / (np.arange(1, len(scores) + 1) + truths)
    last = np.append(scores[1:] < scores[:-1], True)  # equal scores are kept or dropped together
    return float(scores[np.argmax(np.where(last, f1, -1))])


def best_overlaps(data: Arranged) -> tuple[Floats, Floats]:
    """(D), (D) each detection's highest IoU, from 0.1 on, with its image's truths of its class, and of the others."""
    truths, found = data.truths, data.found
    real = np.flatnonzero(~truths.crowd)
    real = real[np.argsort(truths.image[real], kind="stable")]
    no_crowd = np.zeros(len(real), np.bool_)
    pairs = overlapping(found.boxes, found.image, truths.boxes[real], truths.image[real], no_crowd, SOMEWHERE)
    agree = found.category[pairs.found] == truths.category[real[pairs.truth]]
    best = np.zeros((2, len(data.rank)))
    np.maximum.at(best, ((~agree).astype(int), pairs.found), pairs.iou)
    return best[0], best[1]
