"""The curves of a training, from metrics.csv."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.report.reading import rounded

POINTS = 1200  # of a curve: more would not show
LARGEST_FIELD = 2**20  # characters
MOST_STEPS = 2**53  # whole numbers up to here are exact as floats


class Point(NamedTuple):
    """A value after so many steps; steps are counted from 0."""

    epoch: int
    step: int
    value: float


def read_history(path: Path) -> dict[str, Any]:
    """`curves`: of each column its `x`, in epochs, and its `y`; `epochs`: how many were begun.

    Rows that are no numbers, as of a file that is being written, are left out.
    """
    columns: dict[str, list[Point]] = {}
    if path.is_file():
        csv.field_size_limit(LARGEST_FIELD)
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            for name, point in points_of(csv.DictReader(file)):
                columns.setdefault(name, []).append(point)
    every = [point for points in columns.values() for point in points]
    pace = steps_per_epoch(every)
    return {
        "epochs": max((point.epoch for point in every), default=-1) + 1,
        "curves": {name: curve(sorted(points, key=lambda p: p.step), pace) for name, points in columns.items()},
    }


def points_of(table: "csv.DictReader[str]") -> Iterator[tuple[str, Point]]:
    """Yield column and point for every number in the table."""
    rows = iter(table)
    while True:
        try:
            row = next(rows)
            epoch, step = int(row["epoch"]), int(row["step"])
        except StopIteration:
            return
        except (KeyError, TypeError, ValueError, csv.Error):
            continue
        if not (0 <= epoch < MOST_STEPS and 0 <= step < MOST_STEPS):
            continue
        for name, text in row.items():
            if isinstance(name, str) and name not in ("epoch", "step") and isinstance(text, str) and text:
                try:
                    yield name, Point(epoch, step, float(text))
                except ValueError:
                    continue


def steps_per_epoch(points: Sequence[Point]) -> float:
    """Steps of an epoch, as far as the logged ones tell: the last one of an epoch is logged where it was scored."""
    last: dict[int, int] = {}
    for point in points:
        last[point.epoch] = max(last.get(point.epoch, 0), point.step)
    return max(((step + 1) / (epoch + 1) for epoch, step in last.items()), default=1.0)


def curve(points: Sequence[Point], pace: float) -> dict[str, list[float | None]]:
    """At most POINTS of a curve, each the mean of those that follow one another."""
    size = -(-len(points) // POINTS)
    groups = [points[first : first + size] for first in range(0, len(points), size)]
    return {
        "x": [rounded((group[-1].step + 1) / pace, 7) for group in groups],
        "y": [rounded(sum(point.value for point in group) / len(group), 6) for group in groups],
    }
