"""Which classes a detector takes for which: a confusion matrix with background."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.detect.arrange import Arranged, Flags, Floats, Integers
from tasks.detect.error_kinds import NEAR
from tasks.detect.matching import overlapping


def confusion_with_background(
    data: Arranged, truth_of: Integers, on_crowd: Flags, score: float, categories: int
) -> NDArray[np.int64]:
    """(K + 1, K + 1) truth down, detections across; the last of each is background.

    Its diagonal counts what is right by COCO's rules, at an IoU of 0.5. Of what remains, a detection is taken for the
    truth of another class that it covers most, the highest score first, each truth once; other detections were found
    in background, and other truths, taken for background, are missed. Crowds count nowhere.

    Args:
        truth_of, on_crowd: see error_kinds.hits.
        score: only detections from this one on are counted.
    """
    found, truths = data.found, data.truths
    matrix = np.zeros((categories + 1, categories + 1), np.int64)
    sure = (found.scores >= score) & ~on_crowd
    hit = sure & (truth_of >= 0)
    np.add.at(matrix, (found.category[hit], found.category[hit]), 1)
    free = ~truths.crowd
    free[truth_of[hit]] = False
    rest = np.flatnonzero(sure & ~hit)
    rows = np.flatnonzero(free)
    rows = rows[np.argsort(truths.image[rows], kind="stable")]
    for detection, truth in other_class(data, rest, rows):
        matrix[truths.category[truth], found.category[detection]] += 1
        free[truth] = False
        sure[detection] = False
    rest = np.flatnonzero(sure & ~hit)
    np.add.at(matrix[categories], found.category[rest], 1)
    np.add.at(matrix[:, categories], truths.category[free], 1)
    return matrix


def other_class(data: Arranged, rest: Integers, rows: Integers) -> Sequence[tuple[int, int]]:
    """Pairs of a detection and a truth of another class, by falling score and overlap, each of both once."""
    found, truths = data.found, data.truths
    nobody = np.zeros(len(rows), np.bool_)
    pairs = overlapping(found.boxes[rest], found.image[rest], truths.boxes[rows], truths.image[rows], nobody, NEAR)
    detections, candidates = rest[pairs.found], rows[pairs.truth]
    scores: Floats = found.scores[detections]
    taken: set[tuple[str, int]] = set()
    chosen = []
    for place in np.lexsort((-pairs.iou, -scores)).tolist():
        detection, truth = int(detections[place]), int(candidates[place])
        if found.category[detection] == truths.category[truth]:
            continue
        if not {("found", detection), ("truth", truth)} & taken:
            taken |= {("found", detection), ("truth", truth)}
            chosen.append((detection, truth))
    return chosen
