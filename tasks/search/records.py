"""Records of the networks that a search tried: a table, and a plot of score against cost."""

import csv
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from tasks.common.charts import INK, Point, Style, draw_front, write_chart

Kind = Literal["seed", "longer", "width", "step", "candidate", "found"]
STYLES: dict[Kind, Style] = {
    "seed": Style("seed", INK),
    "longer": Style("seed, longer", "#a05a00"),
    "width": Style("width multipliers", "#285aaa", joined=True),
    "step": Style("steps", named="none"),
    "candidate": Style("candidates", named="on the front"),
    "found": Style("found", "#147d46"),
}
AXES = {"latency": ("milliseconds", 1), "madds": ("million multiply-adds", 1e6), "params": ("million parameters", 1e6)}


class Record(NamedTuple):
    """A network that was scored, or was going to be.

    Attributes:
        kind: "width" is the seed with another width multiplier, "longer" the seed trained for longer; "step" and
            "candidate" are networks a search tries.
        score: the task's main score, the mean of several trainings; None if there is none.
        cost: in the unit of the search's target.
        madds: multiply-adds for one image.
        seconds: spent on training and scoring.
        state: such as complete, pruned, failed.
        what: differences from the seed.
        sd: standard deviation of the score over several trainings; None for a single one.
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
    sd: float | None = None


def write_history(path: Path, records: Sequence[Record], cost: str) -> None:
    """Write a CSV file with a line per network, in the given order.

    Args:
        cost: "latency" is written to a column latency_ms; "params" and "madds" already have columns.
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
    """Plot score against cost of all scored networks: the Pareto front, the seed, and the line of its widths.

    Args:
        cost: "latency", "madds" or "params".
        score_name: label of the scores.
        of: what the costs refer to.

    Returns:
        A line with the picture's path, or with what is missing to draw it; "" if no network has a score.
    """
    heading, unit = AXES[cost]
    seeds = [record for record in records if record.kind == "seed"]
    if any(record.kind == "width" for record in records):
        records = [*records, *(seed._replace(name="", kind="width") for seed in seeds)]  # end of their line
    points = [
        Point(record.name, record.cost / unit, record.score, STYLES[record.kind])
        for record in records
        if record.score is not None and math.isfinite(record.score)
    ]
    if not points:
        return ""
    chart = partial(draw_front, points=points, cost=f"{heading} {of}".strip(), worth=score_name, from_zero=False)
    return write_chart(path, chart, 7.6, 5.4)
