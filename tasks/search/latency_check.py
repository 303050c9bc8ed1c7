"""search=latency: checks how well layers' times predict whole networks."""

import csv
import random
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tasks.common.charts import FRONT, PALE, prepare, write_chart
from tasks.common.console import report
from tasks.common.table import print_table
from tasks.latency.meters import Latency, make_meter, sized
from tasks.latency.table import format_conditions
from tasks.latency.units import units_of
from tasks.latency.whole import whole
from tasks.search.block.space import Space
from tasks.search.networks import Networks
from tasks.search.settings import LatencyCheckSettings

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Compared(NamedTuple):
    """Predicted and measured time of a network.

    Attributes:
        changes: differences from the run's network.
        units: sum of its units' milliseconds.
        whole: milliseconds of the whole network.
    """

    name: str
    changes: str
    units: float
    whole: float


def report_latency(settings: LatencyCheckSettings, networks: Networks, folder: Path) -> None:
    """Compare sums over units with measured times of random networks; print, and write latency.csv and latency.png.

    The median ratio of whole time to sum is stored in the table; from then on it scales the latency of networks for
    this image size.

    Raises:
        UserError: for a table from another machine.
    """
    meter = make_meter(settings.latency, "latency", networks.size)
    assert isinstance(meter, Latency)
    report(f"table     {meter.table.path}: {format_conditions(meter.table.conditions)}")
    space, generator = Space(networks.seed_plan, settings.choices), random.Random(networks.run.seed)
    plans, changes = {"seed": networks.seed_plan}, {"seed": ""}
    for number in range(1, settings.networks + 1):
        point = {key: generator.choice(values) for key, values in space.choices.items()}
        name = f"network {number}"
        plans[name], changes[name] = space.plan(point), space.changes(point)
    units = {name: units_of(networks.outline(plan), networks.size) for name, plan in plans.items()}
    report(f"units     {len({unit.key for each in units.values() for unit in each})} in {len(plans)} networks")
    sums = {name: meter.sum(each) for name, each in units.items()}
    wholes = whole({name: networks.build(plan) for name, plan in plans.items()}, settings.latency, networks.size)
    found = [Compared(name, changes[name], sums[name], wholes[name]) for name in plans]
    factor = statistics.median(each.whole / each.units for each in found)
    if not meter.table.foreign:
        meter.table.add({}, {sized(networks.size): factor})
    print_comparison(found, factor)
    write_csv(folder / "latency.csv", found, factor)
    report(f"table     {folder / 'latency.csv'}")
    report(write_chart(folder / "latency.png", partial(draw, found=found, factor=factor), 7.6, 5.4))


def print_comparison(found: Sequence[Compared], factor: float) -> None:
    """Print the networks from fast to slow, and how well they were predicted."""
    print_table(
        ("network", "sum ms", f"× {factor:.3f}", "whole ms", "error"),
        (
            (
                each.name,
                *(f"{ms:.3f}" for ms in (each.units, factor * each.units, each.whole)),
                f"{factor * each.units / each.whole - 1:+.1%}",
            )
            for each in sorted(found, key=lambda each: each.whole)
        ),
    )
    rank = rank_correlation([each.units for each in found], [each.whole for each in found])
    plain, scaled = ([abs(times * each.units / each.whole - 1) for each in found] for times in (1, factor))
    report(f"rank correlation {rank:.3f} (Spearman) over {len(found)} networks")
    for name, errors in (("the sum", plain), (f"the sum × {factor:.3f}", scaled)):
        report(f"relative error of {name}: {statistics.mean(errors):.1%} on average, {max(errors):.1%} at most")


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation, for values without ties."""
    ranks = np.array([np.argsort(np.argsort(values)) for values in (one, other)])
    return float(np.corrcoef(ranks)[0, 1])


def write_csv(path: Path, found: Sequence[Compared], factor: float) -> None:
    """Write a CSV file with a line per network."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["name", "sum_ms", "predicted_ms", "whole_ms", "error", "changes"])
        for each in found:
            predicted = factor * each.units
            figures = (round(ms, 4) for ms in (each.units, predicted, each.whole, predicted / each.whole - 1))
            table.writerow([each.name, *figures, each.changes])


def draw(figure: "Figure", found: Sequence[Compared], factor: float) -> None:
    """Plot measured against predicted time, with the line on which they agree."""
    axes = figure.subplots()
    prepare(axes, f"{factor:.3f} times the sum of the units, ms", "whole network, ms")
    predicted, measured = [factor * each.units for each in found], [each.whole for each in found]
    axes.axline((predicted[0], predicted[0]), slope=1, color=PALE, linewidth=1)
    axes.plot(predicted, measured, "o", color=FRONT)
