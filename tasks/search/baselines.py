"""Networks to compare with the found one: its seed, and the seed at plain width multipliers trained for as long."""

from bisect import bisect_left
from pathlib import Path
from typing import NamedTuple

from backbones.inverted import Plan
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.table import print_table
from tasks.config.tree import put
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.latency.meters import Meter
from tasks.search.found import as_training, read, seed_score, train
from tasks.search.networks import Networks
from tasks.search.records import Kind, Record

GRID = 0.05  # step between width multipliers


class Baseline(NamedTuple):
    """A network that was trained and scored on the validation images.

    Attributes:
        seconds: of its training; for the found network, including the search.
    """

    name: str
    kind: Kind
    plan: Plan
    score: float
    seconds: float


def seed_baseline(splits: Splits, networks: Networks) -> Baseline:
    """The checkpoint's network; its training time is 0 if its run did not record it."""
    used = Path(str(networks.run.source.checkpoint)).parent.parent / "training.json"
    seconds = float(read(used)["seconds"]) if used.is_file() else 0.0
    return Baseline("seed", "seed", networks.seed_plan, seed_score(networks.run, splits, networks.score), seconds)


def with_width(run: Run, width: float) -> Run:
    """The seed network's run with another width multiplier.

    Raises:
        UserError: for a network without a width multiplier.
    """
    backbone = run.learner.backbone
    if "width" not in backbone:
        raise UserError(f"{backbone['_target_'].rpartition('.')[2]} has no width multiplier")
    return run.changed(backbone={**run.stored["backbone"], "width": width})


def plan_at(networks: Networks, width: float) -> Plan:
    """The seed network's plan with another width multiplier."""
    return Networks(with_width(networks.run, width), networks.classes, networks.size).seed_plan


def equal_width(networks: Networks, meter: Meter, plan: Plan) -> float:
    """The width multiplier at which the seed's cost is closest to that of a plan's network."""
    wanted = meter.of(networks.outline(plan))
    grid = [round(GRID * n, 2) for n in range(2, 1 + round(networks.run.learner.backbone["width"] / GRID))]

    def cost(width: float) -> float:
        return meter.of(networks.outline(plan_at(networks, width)))

    place = bisect_left(grid, True, key=lambda width: cost(width) >= wanted)
    return min(grid[max(0, place - 1) : place + 1], key=lambda width: abs(cost(width) - wanted))


def width_baseline(splits: Splits, networks: Networks, width: float, minutes: float, folder: Path) -> Baseline:
    """The seed at another width multiplier, trained from scratch for `minutes`, after timing one epoch."""
    name = f"width {width:g}"
    run = with_width(networks.run, width)

    def training(epochs: int) -> Run:
        """Run of this number of epochs, scored once at the end."""
        tree = put(as_training(run.stored, None), "trainer.max_epochs", epochs)
        return Run.of(run.task, put(tree, "trainer.check_val_every_n_epoch", epochs), run.output_dir)

    report(f"{name}: timing an epoch")
    pace = train(training(1), splits, folder / f"{width:g}_trial", networks.score)
    epochs = max(1, int((60 * minutes - (pace.seconds - pace.epoch_seconds)) / pace.epoch_seconds))
    report(f"{name}: {epochs} epochs in about {minutes:.1f} minutes")
    trained = train(training(epochs), splits, folder / f"{width:g}", networks.score)
    return Baseline(name, "width", plan_at(networks, width), trained.score, trained.seconds)


def records_of(baselines: list[Baseline], networks: Networks, costs: dict[str, float]) -> list[Record]:
    """Records of the networks, for table and plot.

    Args:
        costs: by name.
    """
    records = []
    for each in baselines:
        params, madds = networks.sizes(each.plan)
        records.append(
            Record(
                name=each.name,
                kind=each.kind,
                score=each.score,
                cost=costs[each.name],
                params=params,
                madds=madds,
                seconds=each.seconds,
                state="complete",
                what="" if each.kind == "seed" else "scored on the validation images",
            )
        )
    return records


def print_records(records: list[Record], cost: str, score: str) -> None:
    """Print the table."""
    print_table(
        ("", score, cost, "params M", "MAdds M", "minutes"),
        (
            (
                record.name,
                f"{record.score:.4f}",
                f"{record.cost:.4g}",
                f"{record.params / 1e6:.3f}",
                f"{record.madds / 1e6:.2f}",
                f"{record.seconds / 60:.1f}",
            )
            for record in records
        ),
    )
