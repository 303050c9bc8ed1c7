"""The ranking of what was measured: rows in its order, what is said of it, and metrics.json."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.entries import short
from tasks.common.writing import write_text
from tasks.deploy.bench.ranking import Row, deciding, ranked, time_of
from tasks.deploy.bench.score import COUNT
from tasks.deploy.settings import BenchmarkSettings

SOME = 6  # of what is beaten: lines printed
TIMES = {"network": "the network", "whole": "the whole, from photo to results"}


class Ranking(NamedTuple):
    """Rows in the order of their ranks, lines about the front, and numbers for metrics.json."""

    rows: list[Row]
    lines: list[str]
    numbers: dict[str, float]


def rank(rows: Sequence[Row], task: str, settings: BenchmarkSettings) -> Ranking:
    """Rank by this machine's times, and by the device's if there are some, which then give the order.

    A single row is not ranked.
    """
    if len(rows) < 2:
        return Ranking(list(rows), [], {})
    keys, kind = deciding(rows, task, settings.rank), time_of(rows, settings.latency)
    time, unlike = f"{kind}_p50_ms", of_other_images(rows)
    by = {"rank_by": ", ".join(keys), "rank_time": time}
    found = [row | by for row in ranked(rows, keys, time, without=unlike)]
    lines = [f"unranked  {line}" for line in unlike.values()]
    if all(row["rank"] is None for row in found):
        return Ranking(found, [*lines, f"unranked  all: {lacking({}, keys)}"], {})
    lines += [
        f"unranked  {short(row['name'])}: {lacking(row, keys)}"
        for row in found
        if row["rank"] is None and row["name"] not in unlike
    ]
    lines += said_of(found, keys, time, f"milliseconds of {TIMES[kind]}")
    numbers = numbers_of(found, time)
    if any(row.get("device_ms") is not None for row in found):
        found = ranked(found, keys, "device_ms", "device_", without=unlike)
        lines += [
            f"unranked  {short(row['name'])}: not measured on {short(row['device_name'])}"
            for row in found
            if row["device_ms"] is None and row["rank"] is not None
        ]
        lines += said_of(found, keys, "device_ms", f"milliseconds on {short(found[0]['device_name'])}", "device_")
        numbers |= numbers_of(found, "device_ms", "device_")
    last = len(found) + 1

    def place(row: Row) -> tuple[float, ...]:
        on_device = row.get("device_ms")
        beside = row.get("device_rank") or last, on_device or 0.0
        return *beside, row["rank"] or last, row[time]

    return Ranking(sorted(found, key=place), lines, numbers)


def of_other_images(rows: Sequence[Row]) -> dict[str, str]:
    """Rows whose scores are of another number of images than most, each with a line about it."""
    counts = [row[COUNT] for row in rows if row.get(COUNT) is not None]
    usual = max(counts, key=counts.count, default=None)
    return {
        row["name"]: f"{short(row['name'])}: its score is of {row[COUNT]:g} images, those of others are of {usual:g}; "
        "benchmark.score=true scores all on the same"
        for row in rows
        if row.get(COUNT) not in (None, usual)
    }


def lacking(row: Row, keys: Sequence[str]) -> str:
    """Why a row has no rank."""
    missing = [key for key in keys if row.get(key) is None]
    return f"no score {' and '.join(missing)} is known of it; benchmark.score=true evaluates it"


def said_of(rows: Sequence[Row], keys: Sequence[str], time: str, what: str, prefix: str = "") -> list[str]:
    """Lines about the front and what is beaten."""
    known = sorted((row for row in rows if row[f"{prefix}rank"] is not None), key=lambda row: row[time])
    front = [row for row in known if row[f"{prefix}front"]]
    beaten = [row for row in known if not row[f"{prefix}front"]]
    lines = [f"ranking   by {what}, at equal or better {' and '.join(keys)}"]
    lines += [f"front     {told(row, keys, time)}" for row in front]
    lines += [
        f"beaten    {told(row, keys, time)}: {short(row[f'{prefix}beaten_by'])} is faster and at least as good"
        for row in beaten[:SOME]
    ]
    return lines + ([f"          and {len(beaten) - SOME} more"] if len(beaten) > SOME else [])


def told(row: Row, keys: Sequence[str], time: str) -> str:
    """A row in a few words."""
    scores = ", ".join(f"{key} {row[key]:.4f}" for key in keys)
    return f"{short(row['name'])}: {row[time]:.2f} ms, {scores}"


def numbers_of(rows: Sequence[Row], time: str, prefix: str = "") -> dict[str, float]:
    """How many are on the front, and the milliseconds of the fastest."""
    front = [row for row in rows if row[f"{prefix}front"]]
    fastest = {f"{prefix}front_ms": min(row[time] for row in front)} if front else {}
    return {f"{prefix}front": len(front), **fastest}


def write_metrics(folder: Path, ranking: Ranking, left_out: int) -> None:
    """Write metrics.json: how many files were measured and left out, and the ranking's numbers."""
    numbers = {"files": len(ranking.rows), "left_out": left_out, **ranking.numbers}
    write_text(folder / "metrics.json", json.dumps(numbers, indent=2) + "\n")
