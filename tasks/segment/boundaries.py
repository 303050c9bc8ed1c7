"""Contours of a label map, and how well two maps' contours agree (boundary F1: Csurka et al., BMVC 2013)."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.common.labels import VOID, Pixels

Mask = NDArray[np.bool_]


def contours(labels: Pixels) -> Mask:
    """Where a pixel of (H, W) has a neighbour (above, below, left or right) of another class; void makes no contour."""
    found = np.zeros(labels.shape, bool)
    for one, other in ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1])):
        first, second = labels[one], labels[other]
        differ = (first != second) & (first != VOID) & (second != VOID)
        found[one] |= differ
        found[other] |= differ
    return found


def boundary_f1(labels: Pixels, truth: Pixels, classes: int, tolerance: float) -> NDArray[np.float64]:
    """F1 of each class's contour in one image (C); NaN for classes without a contour on either side.

    Precision is the share of the predicted contour's pixels with a pixel of the true contour of that class within the
    tolerance, recall the reverse (section 3). Pixels whose truth is void are void in both maps.

    Args:
        labels, truth: (H, W) uint8 class numbers.
        tolerance: Euclidean distance as a share of the image's diagonal; a pixel at least.
    """
    labels = np.where(truth == VOID, VOID, labels).astype(np.uint8)
    reach = max(1.0, tolerance * float(np.hypot(*labels.shape)))
    scores = np.full(classes, np.nan)
    ours, theirs = contours(labels), contours(truth)
    present = np.union1d(labels[ours], truth[theirs])
    for c in present.tolist():
        found, true = ours & (labels == c), theirs & (truth == c)
        counts = int(found.sum()), int(true.sum())
        if not all(counts):
            scores[c] = 0.0
            continue
        precision, recall = near(found, true, reach) / counts[0], near(true, found, reach) / counts[1]
        scores[c] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return scores


def near(contour: Mask, other: Mask, reach: float) -> int:
    """Number of pixels of a contour (H, W) that are at most `reach` away from the nearest of another's."""
    rows, columns = np.nonzero(contour)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    margin = int(reach) + 1
    around = tuple(slice(max(0, side.start - margin), side.stop + margin) for side in box)
    away = cv2.distanceTransform((~other[around]).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    squared = np.rint(away[contour[around]].astype(np.float64) ** 2)  # whole numbers, as pixels lie on a grid
    return int((squared <= reach * reach).sum())
