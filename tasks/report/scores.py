"""The scores of a run: metrics.json, and the tables of classes beside it."""

import csv
import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.report.reading import Parts

OF_CLASSES = ("iou", "AP", "boundary_F1")  # what stands before a class in a score's name
TABLES = {"classes.csv": 0, "errors.csv": 1}  # rows at the end that are of no class
UNIT = ("images", "seconds")  # entries of metrics.json that are no scores


def score_tables(metrics: Mapping[str, Any], heads: Sequence[str], folder: Path, parts: Parts) -> list[dict[str, Any]]:
    """For each head its `scores`, [name, value] pairs, and of its classes `columns`, [name, kind], and `rows`.

    Args:
        metrics: what metrics.json has.
        heads: names of the tasks; of several, each one's scores have its name before theirs, and its tables of classes
            lie in a folder of its name.
    """
    several = len(heads) > 1
    tables = []
    for head in heads:
        prefix = f"{head}/" if several else ""
        own = {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}
        own = {key: value for key, value in own.items() if value is None or isinstance(value, int | float)}
        classes: dict[str, dict[str, Any]] = {}
        scores = []
        for key, value in own.items():
            kind, slash, name = key.partition("/")
            if slash and kind in OF_CLASSES:
                classes.setdefault(name, {})[kind] = value
            elif key not in UNIT:
                scores.append([key, value])
        for table, totals in TABLES.items():
            path = (folder / head if several else folder) / table
            for name, values in parts.read(partial(rows_of, path, totals)) or ():
                classes.setdefault(name, {}).update(values)
        columns = list(dict.fromkeys(column for row in classes.values() for column in row))
        tables.append(
            {
                "head": head,
                "scores": scores,
                "columns": [[name, kind_of([row.get(name) for row in classes.values()])] for name in columns],
                "rows": [[name, *(row.get(column) for column in columns)] for name, row in classes.items()],
            }
        )
    return tables


def kind_of(values: Sequence[Any]) -> str:
    """What a column has: `count`, or `score`."""
    known = [value for value in values if value is not None]
    return "count" if known and all(isinstance(value, int) for value in known) else "score"


def rows_of(path: Path, totals: int) -> list[tuple[str, dict[str, Any]]]:
    """Rows of a CSV file whose first column names the class, without so many at its end; none without the file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        try:
            rows = [row for row in csv.reader(file) if row]
        except csv.Error as error:
            raise UserError(f"{path} cannot be read: {error}") from error
    return [
        (row[0], {column: number(text) for column, text in zip(rows[0][1:], row[1:], strict=False)})
        for row in rows[1 : len(rows) - totals]
    ]


def number(text: str) -> int | float | str | None:
    """A field of a table: None if it is empty, a text if it is no finite number."""
    for kind in (int, float):
        try:
            value = kind(text)
            return value if math.isfinite(value) else text
        except (ValueError, OverflowError):
            continue
    return text or None
