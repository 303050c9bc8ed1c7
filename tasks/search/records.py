"""What a search has tried: a table, and a picture of score against cost."""

import csv
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from tasks.common.charts import INK, Point, Style, draw_front, write_chart

Kind = Literal["seed", "width", "step", "candidate", "found"]
STYLES: dict[Kind, Style] = {
    "seed": Style("seed", INK),
    "width": Style("width multipliers", "#285aaa", joined=True),
    "step": Style("steps", named="none"),
    "candidate": Style("candidates", named="on the front"),
    "found": Style("found", "#147d46"),
}
AXES = {"latency": ("milliseconds", 1), "madds": ("million multiply-adds", 1e6), "params": ("million parameters", 1e6)}


class Record(NamedTuple):
    """A network that was scored, or that was to be.

    Attributes:
        kind: "width" is the seed with another width multiplier; a "step" or a "candidate" is what a search tries.
        score: the task's own; None where there is none.
        cost: in the unit of what the search is about.
        madds: multiply-adds of one image.
        seconds: that training and scoring took.
        state: such as complete, pruned, failed.
        what: what is other than in the seed.
    """

    name: str
    kind: Kind
    score: float | None
    cost: float
    params: int
    madds: int
    seconds: float
    state: str
    what: str


def write_history(path: Path, records: Sequence[Record], cost: str) -> None:
    """A CSV file with a line for each network, in the order given.

    Args:
        cost: "latency", in a column latency_ms; "params" and "madds" have columns of their own anyway.
    """
    cost_name = "latency_ms" if cost == "latency" else cost
    rows = [record._asdict() for record in records]
    with path.open("w", newline="", encoding="utf-8") as file:
        columns = dict.fromkeys(cost_name if key == "cost" else key for key in Record._fields)
        table = csv.DictWriter(file, list(columns))
        table.writeheader()
        for row in rows:
            table.writerow({cost_name: round(row.pop("cost"), 4)} | row | {"seconds": round(row["seconds"], 3)})


def draw(path: Path, records: Sequence[Record], cost: str, score_name: str, of: str = "") -> str:
    """Score against cost of the networks that have a score: the Pareto front, the seed, the line of its widths.

    Args:
        cost: "latency", "madds" or "params".
        score_name: what the scores are called.
        of: what the costs are those of.

    Returns:
        A line that says where the picture is, or what is missing to make it; "" for networks without a score.
    """
    heading, unit = AXES[cost]
    seeds = [record for record in records if record.kind == "seed"]
    if any(record.kind == "width" for record in records):
        records = [*records, *(seed._replace(name="", kind="width") for seed in seeds)]  # their line ends there
    points = [
        Point(record.name, record.cost / unit, record.score, STYLES[record.kind])
        for record in records
        if record.score is not None and math.isfinite(record.score)
    ]
    if not points:
        return ""
    chart = partial(draw_front, points=points, cost=f"{heading} {of}".strip(), worth=score_name, from_zero=False)
    return write_chart(path, chart, 7.6, 5.4)
