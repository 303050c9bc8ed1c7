"""Table of a comparison: costs and scores of the separate networks, their sum, and the shared network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.spread import Spread, csv_of
from tasks.common.table import print_table
from tasks.common.task_info import infos
from tasks.multitask.latency import Latency
from tasks.multitask.runs import SHARED, read

Row = dict[str, Any]
COSTS = ("params", "multiply_adds", "network_ms", "whole_ms")
SUM, RATIO = "their sum", "shared / sum"
HEADINGS = {"multiply_adds": "MAdds", "network_ms": "network\nms", "whole_ms": "whole\nms", "minutes": "min"}


def tabulate(heads: Sequence[str], folders: Mapping[str, Path], latencies: Mapping[str, Latency]) -> dict[str, Row]:
    """Rows by name: each separate network, their sum, the shared network, and its ratio to the sum.

    The sum's row repeats the scores of the separate networks, so that they appear above the shared network's.
    """
    costs = read(folders[SHARED] / "network.json")
    rows = {name: row_of(name, heads, folders[name], costs[name], latencies[name]) for name in (*heads, SHARED)}
    total = {key: sum(rows[name][key] for name in heads) for key in (*COSTS, "minutes")}
    for name in heads:
        total |= {key: value for key, value in rows[name].items() if key.startswith(f"{name}/")}
    ratio = {key: rows[SHARED][key] / total[key] for key in (*COSTS, "minutes")}
    return {**{name: rows[name] for name in heads}, SUM: total, SHARED: rows[SHARED], RATIO: ratio}


def row_of(name: str, heads: Sequence[str], folder: Path, cost: Mapping[str, int], latency: Latency) -> Row:
    """Costs, training time and main scores of one network."""
    training, metrics = read(folder / "training.json"), read(folder / "metrics.json")
    row: Row = {**cost, "network_ms": latency.network, "whole_ms": latency.whole}
    row |= {"minutes": training["seconds"] / 60, "epochs": training["epochs"]}
    for head in heads if name == SHARED else [name]:
        prefix = f"{head}/" if name == SHARED else ""  # scores of a single head have no prefix
        row |= {f"{head}/{score}": metrics[f"{prefix}{score}"] for score in infos()[head].scores}
    return row


def over_seeds(tables: Sequence[Mapping[str, Row]]) -> dict[str, Row]:
    """One table of several trainings of the same networks: mean and deviation of scores, mean of minutes."""
    first = tables[0]
    if len(tables) == 1:
        return dict(first)
    rows: dict[str, Row] = {}
    for name, row in first.items():
        rows[name] = dict(row)
        for key in row:
            values = [table[name][key] for table in tables]
            if "/" in key and None not in values:
                rows[name][key] = Spread.of(values)
            elif key == "minutes":
                rows[name][key] = Spread.of(values).mean
    return rows


def plain(row: Row) -> Row:
    """A row whose spreads are dicts of mean, sd and size."""
    return {key: value._asdict() if isinstance(value, Spread) else value for key, value in row.items()}


def write_comparison(folder: Path, rows: Mapping[str, Row]) -> None:
    """Write comparison.json, and the same data as comparison.csv."""
    record = {name: plain(row) for name, row in rows.items()}
    (folder / "comparison.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    keys = list(rows[SHARED])
    table = [[name, *(row.get(key) for key in keys)] for name, row in rows.items()]
    (folder / "comparison.csv").write_text(csv_of(["network", *keys], table), encoding="utf-8")


def print_comparison(rows: Mapping[str, Row]) -> None:
    """Print the table."""
    keys = list(rows[SHARED])
    print_table(
        ["", *(HEADINGS.get(key, key.rpartition("/")[2]) for key in keys)],
        ([name, *(text(key, row.get(key), name == RATIO) for key in keys)] for name, row in rows.items()),
    )


def text(key: str, value: float | Spread | None, ratio: bool) -> str:
    """Format a cell."""
    if value is None:
        return ""
    if isinstance(value, Spread):
        return value.format()
    if ratio:
        return f"{value:.2f}"
    if key == "params":
        return f"{value / 1e6:.2f}M"
    if key == "multiply_adds":
        return f"{value / 1e6:,.0f}M"
    if key == "epochs":
        return str(value)
    return f"{value:.4f}" if "/" in key else f"{value:.1f}"
