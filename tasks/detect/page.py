"""What a detector's run shows on its page: precision over recall, F1 over the score, and the confusion matrix."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tasks.common.curves import Ranked, confusion, precision_chart, threshold_charts
from tasks.detect.confusion import confusion_with_background
from tasks.detect.metric import CocoMAP
from tasks.detect.quality import SHOWN

BACKGROUND = "background"


def curves(metric: CocoMAP) -> dict[str, Any]:
    """From the metric after compute()."""
    names = sorted(metric.evaluated, key=metric.evaluated.__getitem__)  # results ascend by category id
    data, _, truth_of, on_crowd, _ = metric.judged()
    counted = ~on_crowd
    category, scores, right = data.found.category[counted], data.found.scores[counted], truth_of[counted] >= 0
    truths = np.bincount(data.truths.category[~data.truths.crowd], minlength=len(names))
    ranked = {
        name: Ranked.of(scores[category == k], right[category == k], int(truths[k])) for k, name in enumerate(names)
    }
    found = threshold_charts(ranked, "score")
    best = found["best"][0][1]
    found["charts"][:1] = [recall_chart(metric, names, level) for level in (0, 5)]
    found["note"] = (
        "By COCO's rules: a detection is right if its IoU with a labelled box of its class is 0.5 (or 0.75) or more, "
        "and no detection with a higher score has been matched to that box."
    )
    score = SHOWN if best is None else best
    why = "because none is right" if best is None else "where F1 is best"
    found["confusion"] = confusion(
        [*names, BACKGROUND],
        [*names, BACKGROUND],
        confusion_with_background(data, truth_of, on_crowd, score, len(names)),
        f"Detections with a score of at least {score:.3f}, {why}, at an IoU of 0.5. The column of background has the "
        "labelled boxes that were missed; its row counts false alarms, which have no labelled box.",
    )
    found["confusion"]["background"] = True
    return found


def recall_chart(metric: CocoMAP, names: Sequence[str], level: int) -> dict[str, Any]:
    """Precision over recall at one of COCO's ten overlaps, as they enter the average precisions."""
    precision = metric.result.precision[level, :, :, 0, 2]  # (101, K)
    known = {name: precision[:, k] for k, name in enumerate(names) if precision[:, k].min() >= 0}
    return precision_chart(known, f"Precision over recall at IoU {0.5 + 0.05 * level:g}")
