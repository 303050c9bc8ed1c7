"""Table of a comparison: costs and scores of the separate networks, their sum, and the shared network."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

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


def write_comparison(folder: Path, rows: Mapping[str, Row]) -> None:
    """Write comparison.json, and the same data as comparison.csv."""
    (folder / "comparison.json").write_text(json.dumps(rows, indent=2) + "\n")
    with (folder / "comparison.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["network", *rows[SHARED]])
        table.writeheader()
        table.writerows({"network": name} | row for name, row in rows.items())


def print_comparison(rows: Mapping[str, Row]) -> None:
    """Print the table."""
    keys = list(rows[SHARED])
    print_table(
        ["", *(HEADINGS.get(key, key.rpartition("/")[2]) for key in keys)],
        ([name, *(text(key, row.get(key), name == RATIO) for key in keys)] for name, row in rows.items()),
    )


def text(key: str, value: float | None, ratio: bool) -> str:
    """Format a cell."""
    if value is None:
        return ""
    if ratio:
        return f"{value:.2f}"
    if key == "params":
        return f"{value / 1e6:.2f}M"
    if key == "multiply_adds":
        return f"{value / 1e6:,.0f}M"
    if key == "epochs":
        return str(value)
    return f"{value:.4f}" if "/" in key else f"{value:.1f}"
