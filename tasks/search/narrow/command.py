"""search=netadapt, from a checkpoint to files: trains the narrowed network and compares it with seed and widths."""

import time
from collections.abc import Mapping
from functools import partial
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
    baseline,
    equal_width,
    longer_baseline,
    print_records,
    records_of,
    seed_baseline,
    width_baseline,
    with_width,
)
from tasks.search.found import as_training, keep_trained, train_repeatedly, write_network
from tasks.search.narrow.netadapt import Adapted, adapt
from tasks.search.narrow.scoring import scoring
from tasks.search.networks import Networks
from tasks.search.records import Record, draw, write_history
from tasks.search.settings import NarrowSettings


def narrow(settings: NarrowSettings, splits: Splits, networks: Networks, folder: Path) -> None:
    """Narrow the checkpoint's network to its target, train it, and compare it.

        found.yaml, found.ckpt      the network so far, written after every step so that a search can continue from
                                    there; at the end with its trained weights
        steps.png                   the steps, scored on images that no network is trained on
        checkpoints, metrics.json   of the training, with all other files that a training writes; seed_1, seed_2, …:
                                    of its repeats
        history.csv, search.png     the steps; seed, found network and width multipliers on the validation images

    Raises:
        UserError: for a target that cannot be reached, a checkpoint that does not fit, or `widths` for a seed without
            a width multiplier; as scoring() if the seed was trained on all training images.
    """
    run, cost, path = networks.run, settings.target.name, str(networks.run.source.checkpoint)
    checkpoint = open_checkpoint(path, run.task)
    images = scoring(settings, splits, checkpoint["mobilevision"].get("holdout"), path)
    splits = images.comparison
    if settings.widths:
        with_width(run, 1.0)
    meter = make_meter(settings.latency, cost, networks.size)
    cost_of_whole = partial(costs_of, settings, networks, meter)
    begin = time.perf_counter()

    def excess(plan: Plan) -> float:
        """Latency of a network measured as a whole, as a fraction of the target; 0 for other costs, which are exact."""
        if cost != "latency":
            return 0.0
        found = cost_of_whole({"seed": networks.seed_plan, "found": plan})
        report(f"measured  {meter.format(found['found'])} as a whole; the seed {meter.format(found['seed'])}")
        return found["found"] / settings.target.amount.of(found["seed"])

    def keep(adapted: Adapted) -> None:
        steps = steps_of(adapted, networks)
        write_history(folder / "history.csv", steps, cost)
        draw(folder / "steps.png", steps, cost, f"{networks.score} on {images.images}", "by the sum of layers")
        origin = f"{networks.seed_name} narrowed by NetAdapt to {meter.format(adapted.steps[-1].cost)}"
        write_network(networks, adapted.plan, adapted.state, origin, folder / "found", splits.holdout)

    state = seed_state(networks, checkpoint, path)
    adapted = adapt(settings, images, networks, meter, state, excess, keep, folder / "work")
    searched = time.perf_counter() - begin
    report(f"found     {folder / 'found.yaml'} after {searched / 60:.1f} minutes; now its training")
    training = as_training(networks.stored(adapted.plan), folder / "found.ckpt")
    last = Run.of(run.task, training, run.output_dir)
    trained = train_repeatedly(last, splits, folder, networks.score, settings.repeats)
    keep_trained(folder)

    seed = seed_baseline(splits, networks)
    found = baseline("found", "found", adapted.plan, trained, seed.seconds + searched)
    baselines, minutes, repeats = [seed, found], settings.minutes or found.seconds / 60, settings.repeats
    if settings.longer:
        baselines.append(longer_baseline(splits, networks, seed, minutes, repeats, folder / "longer"))
    for width in settings.widths:
        equal = width == "equal"
        multiplier = equal_width(networks, meter, adapted.plan, cost_of_whole) if equal else float(width)
        baselines.append(width_baseline(splits, networks, multiplier, minutes, repeats, folder / "widths"))
    costs = cost_of_whole({each.name: each.plan for each in baselines})
    records = records_of(baselines, networks, costs)
    write_history(folder / "history.csv", [*steps_of(adapted, networks), *records], cost)
    picture = draw(folder / "search.png", records, cost, networks.score, "of the whole network")
    print_records(records, meter.unit, networks.score)
    several = f"mean ± sd of {repeats} seeds; " if repeats > 1 else ""
    report(f"{several}minutes include the seed's {seed.seconds / 60:.1f} for found and seed, longer")
    report(f"history   {folder / 'history.csv'}\n{picture}")


def seed_state(networks: Networks, checkpoint: Mapping[str, Any], path: str) -> dict[str, Any]:
    """All tensors of the checkpoint."""
    learner = networks.build(networks.seed_plan)
    load_state(learner, checkpoint, path)
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
