"""Reads the records of a run (the folder report/); what is damaged is named instead of drawn wrongly."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.records import FOLDER
from tasks.report.reading import RUN, read_json
from tasks.report.shapes import NUMBER, TEXT, WHOLE, Each, Maybe, check

NO_HEADS = ("height", "width", "shared")  # entries of network.json that are no head's
COST = {"params": NUMBER, "multiply_adds": NUMBER}
COMMON = {"height": Maybe(NUMBER), "width": Maybe(NUMBER)}
TEXTS = ("state", "failure", "why", "started", "updated", "device", "batch")
NUMBERS = ("epoch", "seconds", "epoch_seconds", "interval")
NOTED = {
    "network": Maybe(Each(TEXT)),
    "versions": Maybe(Each(TEXT)),
    "data": Maybe(Each(NUMBER)),
    "process": Maybe({"host": TEXT, "pid": WHOLE}),
    **dict.fromkeys(TEXTS, Maybe(TEXT)),
    **dict.fromkeys(NUMBERS, Maybe(NUMBER)),
}
LINE = {"name": TEXT, "width": NUMBER, "values": [Maybe(NUMBER)]}
CHART = {"title": TEXT, "x": TEXT, "y": TEXT, "lines": [LINE], "marks": [{"x": NUMBER, "text": TEXT}]}
MATRIX = {
    "rows": [TEXT],
    "columns": [TEXT],
    "note": Maybe(TEXT),
    "counts": Maybe([[WHOLE]]),
    "sparse": Maybe([(WHOLE, WHOLE, WHOLE)]),
    "totals": Maybe([WHOLE]),
}
BEST = (TEXT, Maybe(NUMBER), Maybe(NUMBER), Maybe(NUMBER), Maybe(NUMBER))
CURVES = {"note": Maybe(TEXT), "charts": Maybe([CHART]), "best": Maybe([BEST]), "confusion": Maybe(MATRIX)}
HISTOGRAM = {"edges": [NUMBER], "counts": [NUMBER]}
LABELS = {
    "unit": TEXT,
    "classes": [TEXT],
    "counts": Each([NUMBER]),
    "sizes": Maybe(HISTOGRAM),
    "per_image": Maybe(HISTOGRAM),
}
TRAINING = {name: Maybe(NUMBER) for name in ("seconds", "last_epoch_seconds", "epochs", "images")}
POINTS = 101  # values of a line in a chart: at 0, 0.01, …, 1


def read_run(folder: Path) -> dict[str, Any]:
    """What a run has noted about itself; {} without it.

    Raises:
        UserError: for a damaged file, as all functions here.
    """
    path = folder / FOLDER / RUN
    record = read_json(path)
    check(record, NOTED, path)
    return record | {"costs": checked_costs(record.get("costs") or {}, path)}


def read_costs(folder: Path) -> dict[str, Any]:
    """network.json; {} without it."""
    path = folder / "network.json"
    return checked_costs(read_json(path), path)


def checked_costs(costs: Any, path: Path) -> dict[str, Any]:
    """Sides of the images, and the costs of each head."""
    heads = {str(name): COST for name in costs if name not in COMMON} if isinstance(costs, Mapping) else {}
    check(costs, COMMON | heads, path)
    return dict(costs)


def read_training(folder: Path) -> dict[str, Any]:
    """training.json; {} without it."""
    record = read_json(folder / "training.json")
    check(record, TRAINING, folder / "training.json")
    return record


def read_metrics(folder: Path) -> dict[str, Any]:
    """metrics.json; {} without it."""
    record = read_json(folder / "metrics.json")
    check(record, {"images": Maybe(NUMBER), "seconds": Maybe(NUMBER)}, folder / "metrics.json")
    return record


def read_curves(path: Path) -> dict[str, Any]:
    """Precision over recall, F1 over a threshold, and the confusion matrix of a head; {} without them."""
    record = read_json(path)
    check(record, CURVES, path)
    for chart in record.get("charts") or ():
        if any(len(line["values"]) != POINTS for line in chart["lines"]):
            raise UserError(f"{path} is damaged: a line of {chart['title']!r} has no {POINTS} values")
    if record.get("confusion") is not None:
        check_matrix(record["confusion"], path)
    return record


def check_matrix(matrix: Mapping[str, Any], path: Path) -> None:
    """Raises a UserError if a matrix has not as many counts as names."""
    rows, columns = len(matrix["rows"]), len(matrix["columns"])
    if matrix.get("sparse") is None or matrix.get("totals") is None:
        right = [len(row) for row in matrix.get("counts") or ()] == [columns] * rows
    else:
        inside = all(0 <= down < rows and 0 <= across < columns for down, across, _ in matrix["sparse"])
        right = inside and len(matrix["totals"]) == rows
    if not right:
        raise UserError(f"{path} is damaged: the confusion matrix has not the counts of {rows} × {columns} classes")


def read_labels(path: Path) -> dict[str, Any]:
    """How often each class of a head occurs; {} without it."""
    record = read_json(path)
    if not record:
        return record
    check(record, LABELS, path)
    histograms = [record[name] for name in ("sizes", "per_image") if record.get(name)]
    if any(len(counts) != len(record["classes"]) for counts in record["counts"].values()):
        raise UserError(f"{path} is damaged: a split has not {len(record['classes'])} counts, one of each class")
    if any(len(each["edges"]) != len(each["counts"]) for each in histograms):
        raise UserError(f"{path} is damaged: a histogram has not one count for each edge")
    return record
