"""Measurements as a table, as files and as a picture. Also used by the table of -m, so it imports nothing heavy."""

import csv
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tasks.common.charts import Point, draw_front, write_chart
from tasks.common.table import print_table

Row = dict[str, Any]
NUMBERS = (  # per row: key, heading, unit, digits
    ("params", "params\nM", 1e6, 2),
    ("multiply_adds", "MAdds\nM", 1e6, 0),
    ("file_bytes", "file\nMB", 1e6, 1),
    ("memory_bytes", "mem.\nMB", 1e6, 0),
    ("network_p50_ms", "network\np50", 1, 1),
    ("network_p95_ms", "\np95", 1, 1),
    ("prepare_p50_ms", "before\np50", 1, 1),
    ("finish_p50_ms", "after\np50", 1, 1),
    ("whole_p50_ms", "whole\np50", 1, 1),
)
FOLDED = ("memory_bytes", "network_p95_ms")  # in the files alone where ranks need the room
SCORES = ("mIoU", "mAP", "top1", "score")


def publish(folder: Path, rows: Sequence[Row]) -> None:
    """Print the table; write benchmark.csv, benchmark.json and the picture pareto.png."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with (folder / "benchmark.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)
    (folder / "benchmark.json").write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print_rows(rows)
    print(f"table     {folder / 'benchmark.csv'}")
    worth = worth_of(rows)
    if worth is not None and len(rows) > 1:
        heading, unit = ("million multiply-adds, for want of scores", 1e6) if worth == "multiply_adds" else (worth, 1)
        time, cost = cost_of(rows)
        points = [Point(row["name"], row[time], row[worth] / unit) for row in rows]
        draw = partial(draw_front, points=points, cost=cost, worth=heading)
        print(f"{write_chart(folder / 'pareto.png', draw, 7.6, 5.4)}: {heading} against latency")


def print_rows(rows: Sequence[Row]) -> None:
    """Print the table, scores last."""
    first = rows[0]
    threads = "thread" if first["threads"] == 1 else "threads"
    print(f"milliseconds on {first['threads']} {threads}, from a photo of {first['photo']} to results in its pixels")
    scores = dict.fromkeys((*SCORES, *str(first.get("rank_by", "")).split(", ")))
    numbers = [*NUMBERS, *((name, name, 1, 4) for name in scores if any(name in row for row in rows))]
    if any(row.get("device_ms") is not None for row in rows):
        numbers.insert(0, ("device_ms", "device\nmean", 1, 1))
    if any(row.get("rank") is not None for row in rows):
        numbers = [column for column in numbers if column[0] not in FOLDED]
        numbers.insert(0, ("device_rank" if "device_rank" in first else "rank", "rank", 1, 0))
    print_table(
        ["", *(heading for _, heading, _, _ in numbers)],
        ([label(row), *(scaled(row.get(key), unit, digits) for key, _, unit, digits in numbers)] for row in rows),
    )


def label(row: Row) -> str:
    """Name, runtime and size of a candidate, in three lines."""
    where = row["precision"] if row["device"] == "cpu" else f"{row['precision']}, {row['device']}"
    return f"{row['name']}\n  {row['runtime']} {where}\n  {row['height']}×{row['width']}"


def cost_of(rows: Sequence[Row]) -> tuple[str, str]:
    """Key and name of the milliseconds that the picture plots: the device's if all rows have one, else what ranks."""
    if all(row.get("device_ms") is not None for row in rows):
        return "device_ms", f"milliseconds of the network on {rows[0]['device_name']}, mean"
    time = rows[0].get("rank_time", "network_p50_ms")
    return time, f"milliseconds of the {time.partition('_')[0]}, p50"


def worth_of(rows: Sequence[Row]) -> str | None:
    """What the picture plots against latency: a score that all rows have, or else multiply-adds; None if neither."""
    ranks = str(rows[0].get("rank_by", ""))
    shared = (key for key in (ranks, *SCORES, "multiply_adds") if all(row.get(key) is not None for row in rows))
    return next(shared, None)


def short_names(paths: Sequence[str]) -> dict[str, str]:
    """The shortest path suffixes that are still distinct; full names if there are none."""
    parts = {path: path.split("/") for path in paths}
    for depth in range(1, max(map(len, parts.values()), default=0)):
        names = {path: "/".join(own[-depth:]) for path, own in parts.items()}
        if len(set(names.values())) == len(names):
            return names
    return {path: path for path in paths}


def scaled(value: float | None, unit: float, digits: int) -> str:
    """Format a number in units."""
    return "–" if value is None else f"{value / unit:,.{digits}f}"
