"""Networks to compare with the found one: its seed, the seed trained for longer, and the seed at other widths."""

import statistics
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from backbones.inverted import Plan
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.table import print_table
from tasks.config.tree import Tree, put
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.latency.meters import Meter
from tasks.search.found import Trained, as_training, read, seed_score, train, train_repeatedly
from tasks.search.networks import Networks
from tasks.search.records import Kind, Record

GRID = 0.05  # step between width multipliers
NEAR = 3  # of them to measure on each side


class Baseline(NamedTuple):
    """A network that was trained, once or with several seeds, and scored on the validation images.

    Attributes:
        scores: of each training.
        seconds: of one training; if it starts from the seed, including the seed's, and for the found network also the
            search.
    """

    name: str
    kind: Kind
    plan: Plan
    scores: Sequence[float]
    seconds: float


def seed_baseline(splits: Splits, networks: Networks) -> Baseline:
    """The checkpoint's network; its training time is 0 if there is no training.json beside its folder."""
    used = Path(str(networks.run.source.checkpoint)).parent.parent / "training.json"
    if used.is_file():
        seconds = float(read(used)["seconds"])
    else:
        seconds = 0.0
        report(f"no {used}: the seed's training time is unknown and counts as 0")
    return Baseline("seed", "seed", networks.seed_plan, [seed_score(networks.run, splits, networks.score)], seconds)


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


def equal_width(
    networks: Networks, meter: Meter, plan: Plan, costs: Callable[[Mapping[str, Plan]], Mapping[str, float]]
) -> float:
    """The width multiplier at which the seed's cost is closest to that of a plan's network.

    Args:
        meter: finds the neighbourhood; the latency of a whole network may differ from the sum over layers.
        costs: of whole networks by name, as in the comparison.
    """
    wanted = meter.of(networks.outline(plan))
    grid = [round(GRID * n, 2) for n in range(2, 1 + round(networks.run.learner.backbone["width"] / GRID))]

    def cost(width: float) -> float:
        return meter.of(networks.outline(plan_at(networks, width)))

    place = bisect_left(grid, True, key=lambda width: cost(width) >= wanted)
    near = grid[max(0, place - NEAR) : place + NEAR]
    whole = costs({"": plan, **{f"{width}": plan_at(networks, width) for width in near}})
    return min(near, key=lambda width: abs(whole[f"{width}"] - whole[""]))


def longer_baseline(
    splits: Splits, networks: Networks, seed: Baseline, minutes: float, repeats: int, folder: Path
) -> Baseline:
    """The seed trained on from its weights, like the found network, until it has had `minutes` in all."""
    tree = as_training(networks.run.stored, Path(str(networks.run.source.checkpoint)))
    trained = train_for(tree, minutes - seed.seconds / 60, splits, networks, repeats, folder, "seed, longer")
    return baseline("seed, longer", "longer", networks.seed_plan, trained, seed.seconds)


def width_baseline(
    splits: Splits, networks: Networks, width: float, minutes: float, repeats: int, folder: Path
) -> Baseline:
    """The seed at another width multiplier, trained from scratch for `minutes`."""
    name = f"width {width:g}"
    tree = as_training(with_width(networks.run, width).stored, None)
    trained = train_for(tree, minutes, splits, networks, repeats, folder / f"{width:g}", name)
    return baseline(name, "width", plan_at(networks, width), trained, 0.0)


def baseline(name: str, kind: Kind, plan: Plan, trained: Sequence[Trained], before: float) -> Baseline:
    """Make one from its trainings, after `before` seconds."""
    seconds = before + statistics.fmean(each.seconds for each in trained)
    return Baseline(name, kind, plan, [each.score for each in trained], seconds)


def train_for(
    tree: Tree, minutes: float, splits: Splits, networks: Networks, repeats: int, folder: Path, name: str
) -> list[Trained]:
    """Train for as many epochs as fit into `minutes`, after timing one; scored as often as the found network is."""

    def of_epochs(epochs: int) -> Run:
        return Run.of(networks.run.task, put(tree, "trainer.max_epochs", epochs), networks.run.output_dir)

    report(f"{name}: timing an epoch")
    pace = train(of_epochs(1), splits, folder.with_name(f"{folder.name}_trial"), networks.score)
    epochs = epochs_in(60 * minutes, pace, networks.run.trainer.check_every)
    report(f"{name}: {epochs} epochs in about {minutes:.1f} minutes")
    return train_repeatedly(of_epochs(epochs), splits, folder, networks.score, repeats)


def epochs_in(seconds: float, pace: Trained, check_every: int) -> int:
    """Number of epochs that fit into a time, at least 1.

    Args:
        pace: of a training of one epoch with one validation.
        check_every: epochs between validations.
    """
    begin = max(0.0, pace.seconds - pace.epoch_seconds - pace.scoring_seconds)
    return max(1, int((seconds - begin) / (pace.epoch_seconds + pace.scoring_seconds / check_every)))


def records_of(baselines: list[Baseline], networks: Networks, costs: dict[str, float]) -> list[Record]:
    """Records of the networks, for table and plot.

    Args:
        costs: by name.
    """
    records = []
    for each in baselines:
        params, madds = networks.sizes(each.plan)
        several = len(each.scores) > 1
        records.append(
            Record(
                name=each.name,
                kind=each.kind,
                score=statistics.fmean(each.scores),
                cost=costs[each.name],
                params=params,
                madds=madds,
                seconds=each.seconds,
                state="complete",
                what="" if each.kind == "seed" else "scored on the validation images",
                sd=statistics.stdev(each.scores) if several else None,
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
                f"{record.score:.4f}" + ("" if record.sd is None else f" ± {record.sd:.4f}"),
                f"{record.cost:.4g}",
                f"{record.params / 1e6:.3f}",
                f"{record.madds / 1e6:.2f}",
                f"{record.seconds / 60:.1f}",
            )
            for record in records
        ),
    )
