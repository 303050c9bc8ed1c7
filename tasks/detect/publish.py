"""Files written next to metrics.json by scoring: predictions.json, the table of errors, precision-recall curves."""

import csv
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tasks.common.charts import write_chart
from tasks.detect.coco_map import AT_50
from tasks.detect.curves import draw_curves, precision_recall
from tasks.detect.error_kinds import KINDS, Errors, errors
from tasks.detect.metric import CocoMAP
from tasks.detect.results import write_results


def publish(metric: CocoMAP, folder: Path, pictures: Path | None) -> list[str]:
    """Write the files, and the curves if there is a folder of pictures; returns lines that describe them."""
    class_names = sorted(metric.evaluated, key=metric.evaluated.__getitem__)  # results ascend by category id
    write_results(metric.found, folder / "predictions.json")
    kinds = errors(metric.judged())
    write_errors(kinds, class_names, folder / "errors.csv")
    said = []
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        said.append(write_curves(metric, class_names, pictures / "precision_recall.png"))
    counts = ", ".join(f"{kind} {count}" for kind, count in zip(KINDS, kinds.counts.sum(0), strict=True))
    where = (
        f"at score {kinds.score:.2f} and above, where F1 is best" if len(metric.found.scores) else "without a box found"
    )
    return [
        *said,
        f"errors    {where}: {counts}: {folder / 'errors.csv'}",
        f"boxes     {folder / 'predictions.json'} (COCO's results format)",
    ]


def write_curves(metric: CocoMAP, class_names: Sequence[str], path: Path) -> str:
    """Draw precision over recall at IoU 0.5 and 0.75; returns a line that describes the picture."""
    precision = metric.result.precision  # (10, 101, K, 4, 3), by ascending category id
    averages = list(metric.result.average_precision(AT_50).values())
    curves = precision_recall(precision[0, :, :, 0, 2], precision[5, :, :, 0, 2], class_names, averages)
    return write_chart(path, partial(draw_curves, curves=curves), 12.4, 5)


def write_errors(kinds: Errors, class_names: Sequence[str], path: Path) -> None:
    """Write a row for each class, and one for all."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["class", *KINDS])
        for name, counts in zip(class_names, kinds.counts.tolist(), strict=True):
            table.writerow([name, *counts])
        table.writerow(["all", *kinds.counts.sum(0).tolist()])
