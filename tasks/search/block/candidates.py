"""Candidates of a block search in one process: builds, briefly trains and scores each, and reports it to the study."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from optuna.exceptions import TrialPruned, UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from backbones.torch_file import read_checkpoint
from tasks.common.charts import Point as Dot
from tasks.common.charts import front
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.data.loading.splits import Splits
from tasks.engine.learner import Learner
from tasks.latency.device import DeviceLatency
from tasks.latency.meters import make_meter
from tasks.search.block.identity import identity
from tasks.search.block.space import Point, Space
from tasks.search.block.study import FINISHED, Study
from tasks.search.measured import measured_points
from tasks.search.networks import Networks
from tasks.search.proxy import Proxy, proxy_splits
from tasks.search.settings import BlockSettings


class Candidates:
    """Tries one network after another until the study has enough.

    Args:
        settings: of the search.
        splits: the data set.
        networks: builder of networks around the seed.
        path: the study's journal, or the URL of its database.
        weights: folder for the weights of the Pareto front, which all processes of the study share.

    Raises:
        UserError: for contradictory settings, a target that no network of the space reaches, or a study of another
            search.
    """

    def __init__(
        self, settings: BlockSettings, splits: Splits, networks: Networks, path: Path | str, weights: Path
    ) -> None:
        self.settings, self.networks, self.path = settings, networks, path
        self.holdout = splits.holdout
        self.meter = make_meter(settings.latency, settings.target.name, networks.size)
        self.space = Space(networks.seed_plan, settings.choices)
        if isinstance(self.meter, DeviceLatency):
            self.space.restrict(measured_points(self.meter, self.space, networks))
            report(f"device    {self.meter.device}: {self.space.count} networks are measured; others are not tried")
        first = {"seed": self.space.width(1.0)}
        filters = settings.choices["filters"]
        for width in settings.widths:
            if width not in filters:
                raise UserError(f"search.widths: {width} is none of search.filters={filters}")
            if width != 1 and self.space.holds(point := self.space.width(width)):
                first[f"width {width}"] = point
        goal = settings.target.amount.of(self.cost(first["seed"]))
        self.check_reachable(goal)
        images = proxy_splits(networks.run, settings.proxy, splits)
        self.proxy = Proxy(networks.run, images, side=settings.proxy.side)
        self.several = settings.objective == "pareto"
        self.study = Study(
            path,
            self.space,
            directions=["maximize", "minimize"] if self.several else ["maximize"],
            says=identity(splits, networks),
            first=first,
            prune_after=None if self.several else settings.prune_after,
            seed=networks.run.seed,
        )
        self.goal = self.study.agreed("goal", goal)
        self.weights = weights
        self.weights.mkdir(parents=True, exist_ok=True)
        if not all(self.file(trial.number).is_file() for trial in self.front()):
            for trial in self.front():  # again: another process may have changed the front meanwhile
                self.state(trial.number)

    def cost(self, point: Point) -> float:
        """Cost of a point's network."""
        return self.meter.of(self.networks.outline(self.space.plan(point)))

    def check_reachable(self, goal: float) -> None:
        """Raises a UserError for a goal below the cost of the cheapest choices everywhere."""
        if self.space.listed is not None:
            least = min(map(self.cost, self.space.listed))
        else:
            narrowest = min(self.settings.choices["filters"])
            if self.cost(self.space.width(narrowest)) <= goal:  # enough for most goals, without more measuring
                return
            choices = self.space.choices.items()
            point = {key: min(values, key=lambda value: self.cost({key: value})) for key, values in choices}
            least = self.cost(point)
        if least > goal:
            raise UserError(
                f"target.{self.meter.name}: {self.meter.format(goal)} cannot be reached by these choices: the smallest "
                f"network costs {self.meter.format(least)}"
            )

    def try_all(self, rest: Callable[[], None], done: Callable[[], None]) -> None:
        """Try networks until there are enough.

        Args:
            rest: called while other processes try the last ones.
            done: called after each; an exception from it ends the work.
        """
        while (trial := self.study.next(self.settings.trials, rest)) is not None:
            try:
                self.try_network(trial)
            except UpdateFinishedTrialError:  # this process was away for too long: another has the trial
                self.study.shared.release(trial)
            done()

    def try_network(self, trial: Trial) -> None:
        """Train and score the network of a trial."""
        begin = time.perf_counter()
        plan = self.space.plan(trial.params)
        cost, scores = self.cost(trial.params), [0.0]
        params, madds = self.networks.sizes(plan)
        for key, value in (("cost", cost), ("params", params), ("madds", madds)):
            trial.set_user_attr(key, value)

        def judge(epoch: int, score: float) -> None:
            scores.append(score)
            trial.report(self.worth(score, cost), epoch + 1)
            last, named = epoch + 1 == self.settings.epochs, "name" in trial.user_attrs
            if not last and not named and trial.should_prune():  # named ones form the line in the picture
                raise TrialPruned

        learner, values = self.networks.build(plan), None
        try:  # Optuna does not prune with several objectives
            score = self.proxy.train(learner, epochs=self.settings.epochs, each_epoch=None if self.several else judge)
        except TrialPruned:
            score = scores[-1]
        else:
            values = [score, cost] if self.several else [self.worth(score, cost)]
            self.keep(trial.number, learner)
        trial.set_user_attr("score", score)
        trial.set_user_attr("seconds", time.perf_counter() - begin)
        self.study.end(trial, values)
        self.drop_beaten()

    def worth(self, score: float, cost: float) -> float:
        """MnasNet's objective (section 3): the score, weighted by a power of cost / target."""
        result: float = score * (cost / self.goal) ** self.settings.exponent
        return result

    def best(self) -> FrozenTrial:
        """The trial with the highest objective; for a Pareto front, the one with the best score within the goal.

        If none is within the goal, the cheapest.
        """
        complete = self.complete()
        if not self.several:
            return max(complete, key=lambda trial: (trial.values[0], -trial.user_attrs["cost"]))
        within = [trial for trial in complete if trial.values[1] <= self.goal]
        if not within:
            return min(complete, key=lambda trial: (trial.values[1], -trial.values[0]))
        return max(within, key=lambda trial: (trial.values[0], -trial.values[1]))

    def finished(self) -> list[FrozenTrial]:
        """The trials that count: trained to the end or pruned."""
        return [trial for trial in self.study.trials() if trial.state in FINISHED]

    def complete(self) -> list[FrozenTrial]:
        """The trials trained to the end."""
        return [trial for trial in self.study.trials() if trial.state == TrialState.COMPLETE]

    def front(self) -> list[FrozenTrial]:
        """The complete trials on the Pareto front of score and cost."""
        trials = self.complete()
        points = [Dot(str(t.number), t.user_attrs["cost"], t.user_attrs["score"]) for t in trials]
        return [trials[number] for number in front(points)]

    def state(self, number: int) -> dict[str, Any]:
        """Load the tensors of a trial on the front.

        Raises:
            UserError: if the file is missing, or was not written by torch.save.
        """
        if not self.file(number).is_file():
            raise UserError(
                f"{self.file(number)} is missing: all processes of the study {self.path} share this folder "
                "(search.weights=<folder>)"
            )
        try:
            return read_checkpoint(self.file(number))
        except ValueError as error:
            raise UserError(str(error)) from None

    def file(self, number: int) -> Path:
        """Path of a trial's weights."""
        return self.weights / f"{number}.pt"

    def keep(self, number: int, learner: Learner) -> None:
        """Write a trial's weights; the file is complete or does not exist."""
        part = self.file(number).with_suffix(".part")
        torch.save({name: tensor.cpu() for name, tensor in learner.state_dict().items()}, part)
        part.replace(self.file(number))

    def drop_beaten(self) -> None:
        """Remove the weights of finished trials that are not on the front, as they can never return to it."""
        best = {trial.number for trial in self.front()}
        for trial in self.study.trials():
            if trial.state.is_finished() and trial.number not in best:
                self.file(trial.number).unlink(missing_ok=True)
