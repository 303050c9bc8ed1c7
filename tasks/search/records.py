"""What a search has tried: a table, and a picture of score against cost."""

import csv
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from tasks.common.charts import INK, Point, Style, picture

Kind = Literal["seed", "width", "step", "candidate", "found"]
STYLES: dict[Kind, Style] = {
    "seed": Style("seed", INK),
    "width": Style("width multipliers", (40, 90, 170), joined=True),
    "step": Style("steps", named="none"),
    "candidate": Style("candidates", named="on the front"),
    "found": Style("found", (20, 125, 70)),
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


def draw(path: Path, records: Sequence[Record], cost: str, score_name: str, of: str = "") -> None:
    """Score against cost of the networks that have a score: the Pareto front, the seed, the line of its widths.

    Args:
        cost: "latency", "madds" or "params".
        score_name: what the scores are called.
        of: what the costs are those of.
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
    if points:
        picture(points, f"{heading} {of}".strip(), score_name, from_zero=False).save(path)
