"""An Optuna study that processes share and that survives a kill: no trial is lost, and none runs twice."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks.common.errors import UserError
from tasks.config.targets import name_of_today
from tasks.search.block.space import Point, Space
from tasks.search.shared import shared, this_process

DRAWS = 20  # of a network, as the sampler may repeat one, before looking through all remaining ones
LONG = 100  # characters; longer values, such as a whole network, are left out of messages
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Study:
    """Trials of a space's networks, in a journal or a database that other processes share, even on other machines.

    A trial belongs to the process that has claimed it. A trial that is running according to the study but in no process
    was interrupted: it is marked as failed, and its network is tried next.

    Args:
        path: the journal, or the URL of a database; see shared().
        space: of the choices.
        directions: one per value of a trial.
        says: the study's identity; a journal with another one is rejected.
        first: points to start with, by name.
        prune_after: epochs before a candidate below the median of the others is stopped; None to never stop one.
        seed: of the sampler.

    Raises:
        UserError: for a file that is not a journal, or one of another search.
    """

    def __init__(
        self,
        path: Path | str,
        space: Space,
        *,
        directions: Sequence[Literal["minimize", "maximize"]],
        says: Mapping[str, Any],
        first: Mapping[str, Point],
        prune_after: int | None,
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=ExperimentalWarning)  # TPE's constant_liar, before Optuna 5
        self.space, self.seed = space, seed
        self.distributions: dict[str, BaseDistribution] = {
            key: CategoricalDistribution(values) for key, values in space.choices.items()
        }
        says = json.loads(json.dumps(says))
        try:
            self.shared = shared(path)
            with self.shared.deciding():
                self.study = optuna.create_study(
                    study_name="blocks",
                    storage=self.shared.storage,
                    directions=list(directions),
                    pruner=pruner(prune_after),
                    load_if_exists=True,
                )
                found = self.study.user_attrs.get("search")
                if found is None:  # written last, as a completeness marker
                    for name, point in first.items():
                        self.study.enqueue_trial(point, user_attrs={"name": name}, skip_if_exists=True)
                    self.study.set_user_attr("search", says)
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise UserError(f"search.study={path} is no journal of a study") from None
        if found is not None:
            check_same(found, says, path)

    def agreed(self, key: str, value: float) -> float:
        """Value shared by all processes: the first one stored, since measuring again would give another."""
        with self.shared.deciding():
            if key not in self.study.user_attrs:
                self.study.set_user_attr(key, value)
            result: float = self.study.user_attrs[key]
            return result

    def trials(self) -> list[FrozenTrial]:
        """All trials so far, in order."""
        return self.study.get_trials(deepcopy=False)

    def next(self, wanted: int, rest: Callable[[], None]) -> Trial | None:
        """Next trial for this process to run; None once enough are finished, complete or pruned.

        Args:
            wanted: number of trials to finish.
            rest: called repeatedly while enough trials are running elsewhere, since one may still be interrupted.
        """
        while True:
            with self.shared.deciding():
                self.requeue()
                states = [trial.state for trial in self.trials()]
                finished = sum(state in FINISHED for state in states)
                if finished >= min(wanted, self.space.count):
                    return None
                if finished + states.count(TrialState.RUNNING) < min(wanted, self.space.count):
                    return self.new()
            rest()

    def requeue(self) -> None:
        """Mark interrupted trials as failed and enqueue their networks again."""
        trials = self.trials()
        again = {trial.user_attrs.get("again") for trial in trials}
        for trial in self.shared.abandoned(self.study):
            point = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            if point and trial.number not in again:  # already enqueued if a process was interrupted in this loop
                name = {key: value for key, value in trial.user_attrs.items() if key == "name"}
                self.study.enqueue_trial(point, user_attrs={**name, "again": trial.number})
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.shared.release(trial)

    def new(self) -> Trial:
        """Start a trial of a network that was not tried yet, locked by this process."""
        trials = self.trials()
        tried = [trial.params for trial in trials if trial.state in (*FINISHED, TrialState.RUNNING)]
        for _ in range(DRAWS):
            if self.space.listed is not None and not self.is_queued():
                break  # a draw would hardly ever be one of the list
            trial = self.asked()
            if trial.params not in tried:
                return trial
            self.study.tell(trial, state=TrialState.FAIL)
            self.shared.release(trial)
        self.study.enqueue_trial(next(point for point in self.space.points() if point not in tried))
        return self.asked()

    def is_queued(self) -> bool:
        """Whether a network waits to be tried: one of the first, or of an interrupted trial."""
        return any(trial.state == TrialState.WAITING for trial in self.trials())

    def asked(self) -> Trial:
        """Start a trial as Optuna draws it, locked by this process.

        The draw depends on the trial's number: a sampler restarted after a kill would otherwise repeat its draws.
        """
        self.study.sampler = TPESampler(seed=self.seed + len(self.trials()), constant_liar=True)
        trial = self.study.ask(self.distributions)
        self.shared.claim(trial)
        trial.set_user_attr("process", this_process())
        return trial

    def end(self, trial: Trial, values: Sequence[float] | None) -> None:
        """Finish a trial as complete with these values, or as pruned if they are None.

        One that another process was given meanwhile, because this one was away for too long, is left to that process.
        """
        with self.shared.deciding():
            with suppress(UpdateFinishedTrialError):
                self.study.tell(trial, values, TrialState.PRUNED if values is None else TrialState.COMPLETE)
            self.shared.release(trial)


def pruner(after: int | None) -> BasePruner:
    """Pruner that stops trials below the median of the others after this number of epochs; None never stops any."""
    return NopPruner() if after is None else MedianPruner(n_startup_trials=4, n_warmup_steps=after)


def check_same(found: Mapping[str, Any], says: Mapping[str, Any], path: Path | str) -> None:
    """Raises a UserError for the first difference between a study's stored identity and the requested one.

    Old class names in the study are translated to the current ones.
    """
    found = {key: name_of_today(value) if key.endswith("_target_") else value for key, value in found.items()}
    for key in dict.fromkeys((*says, *found)):
        if found.get(key) != says.get(key):
            values = f" is {found.get(key)} there, {says.get(key)} here"
            what = key + values if len(values) < LONG else f"another {key}"
            raise UserError(f"search.study={path} is of another search: {what}; leave it out to begin a new one")
