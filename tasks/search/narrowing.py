"""search=netadapt from a checkpoint to files: the narrowed network, trained, beside its seed and plain widths."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from backbones.inverted import Plan
from tasks.checkpoint import load_state, open_checkpoint
from tasks.data.splits import Splits
from tasks.quantities import readable
from tasks.report import report
from tasks.search.costs import make_meter
from tasks.search.found import as_training, train, write_network
from tasks.search.latency.whole import whole
from tasks.search.netadapt import Step, adapt
from tasks.search.networks import Networks
from tasks.search.records import Record, draw, write_history
from tasks.search.rivals import Rival, equal_width, records_of, seed_rival, show, width_rival, with_width
from tasks.search.settings import target_of

HEADINGS = {"latency": "milliseconds", "madds": "multiply-adds", "params": "parameters"}


def narrow(task: str, config: DictConfig, splits: Splits, networks: Networks, folder: Path) -> None:
    """Narrow the checkpoint's network to its target, train it, and compare it.

    Raises:
        UserError: for a target that cannot be reached, a checkpoint that does not fit, widths that the seed has not.
    """
    name, wanted = target_of(config)
    if config.search.widths:
        with_width(config, 1.0)
    meter = make_meter(config, name, networks.size)
    state = seed_state(task, config, networks)
    begin = time.perf_counter()

    def excess(plan: Plan) -> float:
        """What a network takes when it is measured as a whole, as a share of the target; other costs are exact."""
        if name != "latency":
            return 0.0
        found = measured(config, networks, {"seed": networks.seed_plan, "found": plan})
        report(f"measured  {found['found']:.3f} ms as a whole; the seed {found['seed']:.3f} ms")
        return found["found"] / wanted.of(found["seed"])

    adapted = adapt(config, splits, networks, meter, state, wanted, excess, folder / "work")
    way = [record_of(number, step, networks) for number, step in enumerate(adapted.steps)]
    write_history(folder / "history.csv", way, f"{name}_{meter.unit}")
    draw(folder / "steps.png", way, f"{HEADINGS[name]}, the sum of layers", f"{networks.score} on held-out images")
    origin = f"{networks.seed_name} narrowed by NetAdapt to {readable(adapted.steps[-1].cost, meter.unit)}"
    found = write_network(task, networks, adapted.plan, adapted.state, origin, folder / "found")
    searched = time.perf_counter() - begin
    report(f"found     {folder / 'found.yaml'} after {searched / 60:.1f} minutes; now its training")

    trained = train(task, as_training(found, folder / "found.ckpt"), splits, folder, networks.score)
    seconds = searched + trained.seconds
    rivals = [
        seed_rival(task, config, splits, networks),
        Rival("found", "found", adapted.plan, trained.score, seconds),
    ]
    for width in config.search.widths:
        multiplier = equal_width(networks, meter, adapted.plan) if width == "equal" else float(width)
        minutes = config.search.minutes or seconds / 60
        rivals.append(width_rival(task, config, splits, networks, multiplier, minutes, folder / "widths"))
    plans = {rival.name: rival.plan for rival in rivals}
    costs = (
        measured(config, networks, plans)
        if name == "latency"
        else {key: meter.of(networks.outline(plan)) for key, plan in plans.items()}
    )
    records = records_of(rivals, networks, costs)
    write_history(folder / "history.csv", [*way, *records], f"{name}_{meter.unit}")
    draw(folder / "search.png", records, f"{HEADINGS[name]} of the whole network", networks.score)
    show(records, meter.unit, networks.score)
    report(f"history   {folder / 'history.csv'}\npicture   {folder / 'search.png'}")


def seed_state(task: str, config: DictConfig, networks: Networks) -> dict[str, Any]:
    """The checkpoint's tensors, all of them."""
    learner = networks.build(networks.seed_plan)
    load_state(learner, open_checkpoint(config.checkpoint, task), config.checkpoint)
    return {name: tensor.clone() for name, tensor in learner.state_dict().items()}


def measured(config: DictConfig, networks: Networks, plans: Mapping[str, Plan]) -> dict[str, float]:
    """Milliseconds of whole networks, measured in turn."""
    return whole({name: networks.build(plan) for name, plan in plans.items()}, config.latency, networks.size)


def record_of(number: int, step: Step, networks: Networks) -> Record:
    """What is written and drawn of a step; the seed is step 0."""
    params, madds = networks.sizes(step.plan)
    return Record(
        f"step {number}" if number else "seed",
        "step" if number else "seed",
        step.score,
        step.cost,
        params,
        madds,
        step.seconds,
        "complete",
        step.what,
    )
