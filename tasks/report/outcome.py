"""What exports, benchmarks, searches and the doctor have left in a run's folder."""

import csv
import json
from functools import partial
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.report.pictures import as_data
from tasks.report.reading import Parts, read_json
from tasks.report.scores import number
from tasks.report.shapes import TEXT, Maybe, check

TABLES = ("history.csv", "comparison.csv")
PLOTS = ("pareto.png", "search.png", "steps.png", "learning_curve.png")
LARGEST = 2**20  # bytes of a plot within the page
ROWS = 500
FINDING = {"level": TEXT, "text": TEXT, "split": Maybe(TEXT), "advice": Maybe(TEXT)}
LEFT_OUT = "left out  "  # a file that a benchmark could not open, build or run
ASKS = "python -m tasks.doctor"  # in what is said about the data before training


def outcome(folder: Path, log: list[str], parts: Parts) -> dict[str, Any]:
    """`gate`, `benchmark`: rows; `tables`: columns and rows by file; `plots`; `doctor`: findings; others: lines."""
    return {
        "gate": parts.read(lambda: rows_of(folder / "gate.json")) or [],
        "benchmark": parts.read(lambda: rows_of(folder / "benchmark.json")) or [],
        "tables": {name: table for name in TABLES if (table := parts.read(partial(table_of, folder / name)))},
        "plots": {
            name: plot
            for name in PLOTS
            if (folder / name).is_file()
            and (folder / name).stat().st_size <= LARGEST
            and (plot := parts.read(partial(as_data, name, folder / name)))
        },
        "doctor": parts.read(lambda: findings(folder / "doctor.json")) or [],
        "noticed": [line.partition(f"; {ASKS}")[0] for line in log if ASKS in line],
        "omitted": [line.removeprefix(LEFT_OUT).strip() for line in log if line.startswith(LEFT_OUT)],
    }


def findings(path: Path) -> list[dict[str, Any]]:
    """What the doctor has found; nothing without the file.

    Raises:
        UserError: for a damaged one.
    """
    record = read_json(path)
    check(record, {"findings": Maybe([FINDING])}, path)
    return record.get("findings") or []


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON list; none without the file.

    Raises:
        UserError: for anything else.
    """
    if not path.is_file():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise UserError(f"{path} has no list of objects")
    return found[:ROWS]


def table_of(path: Path) -> dict[str, Any] | None:
    """`columns` and `rows` of a CSV file; None without it.

    Raises:
        UserError: for a broken one.
    """
    if not path.is_file():
        return None
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            rows = [row for row in csv.reader(file) if row]
        except csv.Error as error:
            raise UserError(f"{path} cannot be read: {error}") from error
    if not rows:
        return None
    width = len(rows[0])
    return {
        "columns": rows[0],
        "rows": [[number(text) for text in [*row, *[""] * width][:width]] for row in rows[1 : ROWS + 1]],
    }
