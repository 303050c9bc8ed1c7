"""search=width: finds the largest width multiplier, and the image size, at which a network meets its target."""

from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from backbones.table import table_of
from backbones.table_file import write_table
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.table import print_table
from tasks.latency.meters import Meter, make_meter
from tasks.search.baselines import plan_at, with_width
from tasks.search.networks import Networks
from tasks.search.rules import COSTS
from tasks.search.settings import WidthSettings


class Fitting(NamedTuple):
    """The widest network for an image size, and its costs."""

    size: tuple[int, int]
    width: float
    costs: dict[str, float]


def search_width(settings: WidthSettings, networks: Networks, folder: Path) -> None:
    """Find, print and write the widest network for each size; the one with the most multiply-adds is the found network.

    Raises:
        UserError: for a network without width multiplier, or if even the narrowest exceeds the target.
    """
    name, wanted, typed = settings.target
    with_width(networks.run, 1.0)
    goal = wanted.of(make_meter(settings.latency, name, networks.size).of(networks.outline(networks.seed_plan)))
    sizes = [(height, width) for height, width in settings.sizes or [networks.size]]
    steps = round((settings.widest - settings.narrowest) / settings.step)
    grid = [round(settings.narrowest + settings.step * step, 4) for step in range(steps, -1, -1)]
    found: list[Fitting] = []
    least: dict[tuple[int, int], float] = {}
    for size in sizes:
        meters = {
            key: make_meter(settings.latency, key, size) for key in COSTS if key != "latency" or name == "latency"
        }

        def cost(width: float, key: str = name, meters: Mapping[str, Meter] = meters) -> float:
            return meters[key].of(networks.outline(plan_at(networks, width)))

        place = bisect_left(grid, True, key=lambda width: cost(width) <= goal)
        if place < len(grid):
            found.append(Fitting(size, grid[place], {key: cost(grid[place], key) for key in meters}))
        least[size] = cost(grid[-1])
    meter = make_meter(settings.latency, name, networks.size)
    if not found:
        raise UserError(
            f"target.{name}={typed}: width {grid[-1]:g} costs {meter.format(min(least.values()))} already, "
            f"which is above {meter.format(goal)}"
        )
    best = max(found, key=lambda fitting: fitting.costs["madds"])
    print_widths(found, best)
    plan = plan_at(networks, best.width)
    height, width = best.size
    origin = f"{networks.seed_name}, width {best.width:g}, for {meter.format(best.costs[name])} at {height}×{width}"
    write_table(
        folder / "found.yaml",
        table_of(plan, origin),
        f"python -m tasks.{networks.run.task} backbone.width={best.width:g}",
    )
    report(f"found     backbone.width={best.width:g} at {height}×{width}: {meter.format(best.costs[name])}")
    report(f"table     {folder / 'found.yaml'}")


def print_widths(found: list[Fitting], best: Fitting) -> None:
    """Print the table."""
    print_table(
        ("image", "width", "params M", "MAdds M", "ms", ""),
        (
            (
                "×".join(map(str, fitting.size)),
                f"{fitting.width:g}",
                f"{fitting.costs['params'] / 1e6:.3f}",
                f"{fitting.costs['madds'] / 1e6:.2f}",
                f"{fitting.costs['latency']:.2f}" if "latency" in fitting.costs else "–",
                "found" if fitting is best else "",
            )
            for fitting in found
        ),
        align="r",
    )
