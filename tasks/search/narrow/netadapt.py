"""NetAdapt: narrows a trained network step by step until it meets its target.

Yang et al., NetAdapt: Platform-aware neural network adaptation for mobile applications, ECCV 2018; with MobileNetV3's
proposals, and its choice of the one that loses the least score per saved cost (Howard et al., ICCV 2019, section 4.2).
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from backbones.inverted import Plan
from backbones.table import table_of
from tasks.common.console import report
from tasks.common.cpu import cores
from tasks.common.errors import UserError
from tasks.latency.meters import Meter
from tasks.predict.checkpoint import best_device
from tasks.search.narrow.proposals import Proposal, proposals, smallest
from tasks.search.narrow.scoring import Scoring
from tasks.search.narrow.trials import Job, Trials, workers
from tasks.search.networks import Networks
from tasks.search.settings import NarrowSettings

State = dict[str, Tensor]


class Step(NamedTuple):
    """An intermediate network; the first one is the seed.

    Attributes:
        what: the width that has shrunk.
        score: on images that no network is trained on.
        tried: number of proposals.
        seconds: since the search began.
    """

    plan: Plan
    what: str
    cost: float
    score: float
    tried: int
    seconds: float


class Adapted(NamedTuple):
    """Result of a search: the network, its tensors, and the steps that led to it."""

    plan: Plan
    state: State
    steps: list[Step]


def adapt(
    settings: NarrowSettings,
    images: Scoring,
    networks: Networks,
    meter: Meter,
    state: State,
    excess: Callable[[Plan], float],
    keep: Callable[[Adapted], None],
    folder: Path,
) -> Adapted:
    """Narrow the seed network until it costs no more than the target.

    Args:
        state: the seed's tensors.
        excess: returns a network's cost, measured in another way, as a fraction of the target; above 1 the search
            continues.
        keep: called after every step with the result so far.
        folder: for files exchanged between processes; removed at the end.

    Raises:
        UserError: for a target that cannot be reached, or that the seed already meets.
    """
    plan, begin = networks.seed_plan, time.perf_counter()
    cost = first = meter.of(networks.outline(plan))
    goal = settings.target.amount.of(first)
    check_goal(networks, meter, first, goal)
    trials = Trials(settings, images.proposals, networks)
    score = trials.proxy.score(trials.loaded(table_of(plan), state))
    steps = [Step(plan, "", cost, score, 0, 0.0)]
    report(f"seed      {meter.format(cost)}, score {score:.4f} on {images.images}; goal {meter.format(goal)}")
    folder.mkdir()
    try:
        with workers(number_of_workers(settings, networks), trials, images.proposals) as try_all:
            while cost > goal:
                table, limit = table_of(plan), max(goal, cost - settings.step * first)
                choices = proposals(networks, meter, plan, limit)
                if not choices:
                    raise UserError(f"target.{meter.name}: at {meter.format(cost)} no width can shrink any more")
                trials.look(table, state, len(steps), folder / "present.pt")
                jobs = [
                    Job(table, folder / "present.pt", each.width, each.channels, folder / f"{number}.pt", len(steps))
                    for number, each in enumerate(choices)
                ]
                scores = list(try_all(jobs))
                best = best_of(choices, scores, cost, score)
                plan, cost, score = choices[best].plan, choices[best].cost, scores[best]
                state = torch.load(jobs[best].result, weights_only=True)
                steps.append(Step(plan, str(choices[best]), cost, score, len(jobs), time.perf_counter() - begin))
                report(
                    f"step {len(steps) - 1:3}  {meter.format(cost)}  score {score:.4f}  {choices[best]}  "
                    f"({len(jobs)} proposals, {steps[-1].seconds - steps[-2].seconds:.0f} s)"
                )
                keep(Adapted(plan, state, steps))
                if cost <= goal:
                    goal = min(goal, cost / max(excess(plan), 1e-9))
    finally:
        shutil.rmtree(folder)
    return Adapted(plan, state, steps)


def check_goal(networks: Networks, meter: Meter, cost: float, goal: float) -> None:
    """Raises a UserError for a goal that the seed already meets, or that no widths can reach."""
    costs = f"target.{meter.name}: the seed network costs {meter.format(cost)}"
    if cost <= goal:
        raise UserError(f"{costs}, which is within {meter.format(goal)} already")
    least = meter.of(networks.outline(smallest(networks, networks.seed_plan)))
    if least > goal:
        raise UserError(f"{costs}; narrowing brings it down to {meter.format(least)}, not to {meter.format(goal)}")


def best_of(choices: list[Proposal], scores: list[float], cost: float, score: float) -> int:
    """Index of the proposal with the largest ΔAcc / |Δcost|; among equal ones, of the one that saves most.

    If no score changes all ratios are 0, whatever is saved. The first of proposals that are equal in both is taken.
    """
    savings = [cost - choice.cost for choice in choices]
    ranks = [((after - score) / saving, saving) for after, saving in zip(scores, savings, strict=True)]
    return ranks.index(max(ranks))


def number_of_workers(settings: NarrowSettings, networks: Networks) -> int:
    """Number of processes that try proposals: one per core, or one if an accelerator does the work."""
    if best_device(networks.run.trainer.accelerator).type != "cpu":
        return 1
    return settings.workers or len(cores())
