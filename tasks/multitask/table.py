"""The table of a comparison: what separate networks cost and score, their sum, and the shared one beside it."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tasks.common.task_info import infos
from tasks.multitask.latency import Latency
from tasks.multitask.runs import SHARED, read

Row = dict[str, Any]
COSTS = ("params", "multiply_adds", "network_ms", "whole_ms")
SUM, RATIO = "their sum", "shared / sum"
HEADINGS = {"multiply_adds": "MAdds", "network_ms": "network\nms", "whole_ms": "whole\nms", "minutes": "min"}


def tabulate(heads: Sequence[str], folders: Mapping[str, Path], latencies: Mapping[str, Latency]) -> dict[str, Row]:
    """The rows by name: each separate network, their sum, the shared one, and its share of the sum.

    The scores of the sum are those of the separate networks, to stand above the shared one's.
    """
    costs = read(folders[SHARED] / "network.json")
    rows = {name: row_of(name, heads, folders[name], costs[name], latencies[name]) for name in (*heads, SHARED)}
    total = {key: sum(rows[name][key] for name in heads) for key in (*COSTS, "minutes")}
    for name in heads:
        total |= {key: value for key, value in rows[name].items() if key.startswith(f"{name}/")}
    ratio = {key: rows[SHARED][key] / total[key] for key in (*COSTS, "minutes")}
    return {**{name: rows[name] for name in heads}, SUM: total, SHARED: rows[SHARED], RATIO: ratio}


def row_of(name: str, heads: Sequence[str], folder: Path, cost: Mapping[str, int], latency: Latency) -> Row:
    """What one network costs, how long it was trained, and the main scores of its heads."""
    training, metrics = read(folder / "training.json"), read(folder / "metrics.json")
    row: Row = {**cost, "network_ms": latency.network, "whole_ms": latency.whole}
    row |= {"minutes": training["seconds"] / 60, "epochs": training["epochs"]}
    for head in heads if name == SHARED else [name]:
        prefix = f"{head}/" if name == SHARED else ""  # a network of one head has no names in front
        row |= {f"{head}/{score}": metrics[f"{prefix}{score}"] for score in infos()[head].scores}
    return row


def write(folder: Path, rows: Mapping[str, Row]) -> None:
    """comparison.json, and the same as comparison.csv."""
    (folder / "comparison.json").write_text(json.dumps(rows, indent=2) + "\n")
    with (folder / "comparison.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["network", *rows[SHARED]])
        table.writeheader()
        table.writerows({"network": name} | row for name, row in rows.items())


def show(rows: Mapping[str, Row]) -> None:
    """The table on the terminal."""
    table = Table("", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for key in rows[SHARED]:
        table.add_column(HEADINGS.get(key, key.rpartition("/")[2]), justify="right")
    for name, row in rows.items():
        table.add_row(name, *(text(key, row.get(key), name == RATIO) for key in rows[SHARED]))
    Console().print(table)


def text(key: str, value: float | None, ratio: bool) -> str:
    """A cell."""
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
