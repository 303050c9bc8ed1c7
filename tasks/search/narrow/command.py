"""search=netadapt, from a checkpoint to files: trains the narrowed network and compares it with seed and widths."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backbones.inverted import Plan
from tasks.checkpoint.checkpoint import load_state, open_checkpoint
from tasks.common.console import report
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.latency.meters import Meter, make_meter
from tasks.latency.whole import whole
from tasks.search.baselines import (
    Baseline,
    equal_width,
    print_records,
    records_of,
    seed_baseline,
    width_baseline,
    with_width,
)
from tasks.search.found import as_training, keep_trained, train, write_network
from tasks.search.narrow.netadapt import Adapted, adapt
from tasks.search.networks import Networks
from tasks.search.records import Record, draw, write_history
from tasks.search.settings import NarrowSettings


def narrow(settings: NarrowSettings, splits: Splits, networks: Networks, folder: Path) -> None:
    """Narrow the checkpoint's network to its target, train it, and compare it.

        found.yaml, found.ckpt      the network so far, written after every step so that a search can continue from
                                    there; at the end with its trained weights
        steps.png                   the steps, scored on held-out training images
        checkpoints, metrics.json   of the training, with all other files that a training writes
        history.csv, search.png     the steps; seed, found network and width multipliers on the validation images

    Raises:
        UserError: for a target that cannot be reached, a checkpoint that does not fit, or `widths` for a seed without
            a width multiplier.
    """
    run, cost = networks.run, settings.target.name
    if settings.widths:
        with_width(run, 1.0)
    meter = make_meter(settings.latency, cost, networks.size)
    begin = time.perf_counter()

    def excess(plan: Plan) -> float:
        """Latency of a network measured as a whole, as a fraction of the target; 0 for other costs, which are exact."""
        if cost != "latency":
            return 0.0
        found = costs_of(settings, networks, meter, {"seed": networks.seed_plan, "found": plan})
        report(f"measured  {meter.format(found['found'])} as a whole; the seed {meter.format(found['seed'])}")
        return found["found"] / settings.target.amount.of(found["seed"])

    def keep(adapted: Adapted) -> None:
        steps = steps_of(adapted, networks)
        write_history(folder / "history.csv", steps, cost)
        draw(folder / "steps.png", steps, cost, f"{networks.score} on held-out images", "by the sum of layers")
        origin = f"{networks.seed_name} narrowed by NetAdapt to {meter.format(adapted.steps[-1].cost)}"
        write_network(networks, adapted.plan, adapted.state, origin, folder / "found")

    adapted = adapt(settings, splits, networks, meter, seed_state(networks), excess, keep, folder / "work")
    searched = time.perf_counter() - begin
    report(f"found     {folder / 'found.yaml'} after {searched / 60:.1f} minutes; now its training")
    training = as_training(networks.stored(adapted.plan), folder / "found.ckpt")
    trained = train(Run.of(run.task, training, run.output_dir), splits, folder, networks.score)
    keep_trained(folder)
    seconds = searched + trained.seconds

    baselines = [
        seed_baseline(splits, networks),
        Baseline("found", "found", adapted.plan, trained.score, seconds),
    ]
    for width in settings.widths:
        multiplier = equal_width(networks, meter, adapted.plan) if width == "equal" else float(width)
        minutes = settings.minutes or seconds / 60
        baselines.append(width_baseline(splits, networks, multiplier, minutes, folder / "widths"))
    costs = costs_of(settings, networks, meter, {each.name: each.plan for each in baselines})
    records = records_of(baselines, networks, costs)
    write_history(folder / "history.csv", [*steps_of(adapted, networks), *records], cost)
    picture = draw(folder / "search.png", records, cost, networks.score, "of the whole network")
    print_records(records, meter.unit, networks.score)
    report(f"history   {folder / 'history.csv'}\n{picture}")


def seed_state(networks: Networks) -> dict[str, Any]:
    """All tensors of the checkpoint."""
    learner, path = networks.build(networks.seed_plan), str(networks.run.source.checkpoint)
    load_state(learner, open_checkpoint(path, networks.run.task), path)
    return {name: tensor.clone() for name, tensor in learner.state_dict().items()}


def costs_of(settings: NarrowSettings, networks: Networks, meter: Meter, plans: Mapping[str, Plan]) -> dict[str, float]:
    """Costs of whole networks; milliseconds are measured in turn."""
    if meter.name == "latency":
        return whole({name: networks.build(plan) for name, plan in plans.items()}, settings.latency, networks.size)
    return {name: meter.of(networks.outline(plan)) for name, plan in plans.items()}


def steps_of(adapted: Adapted, networks: Networks) -> list[Record]:
    """Records of the steps, for table and plot; the seed is step 0."""
    records = []
    for number, step in enumerate(adapted.steps):
        params, madds = networks.sizes(step.plan)
        records.append(
            Record(
                name=f"step {number}" if number else "seed",
                kind="step" if number else "seed",
                score=step.score,
                cost=step.cost,
                params=params,
                madds=madds,
                seconds=step.seconds,
                state="complete",
                what=step.what,
            )
        )
    return records
