"""A study of Optuna's that processes share and that goes on behind a kill: no trial is lost, and none runs twice."""

import json
import os
import socket
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks.common.errors import UserError
from tasks.config.targets import name_of_today
from tasks.search.block.locks import Locks
from tasks.search.block.space import Point, Space

JOURNAL, STUDY, TRIALS = 0, 1, 2  # numbers of the locks: on the file, on what follows from it, on trial 0 and so on
DRAWS = 20  # of a network before all that are left are looked through: the sampler may give one that it has given
LONG = 100  # characters: a whole network says nothing in a message
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class JournalLock(JournalFileOpenLock):
    """Optuna's lock on the journal, but for one that ends with its process, which Optuna waits 30 seconds for.

    Whoever gets it cuts off the half line that a killed process may have left, which nothing could be written behind.
    """

    def __init__(self, journal: Path, locks: Locks) -> None:
        super().__init__(str(journal))
        self.journal, self.locks = journal, locks

    def acquire(self) -> bool:
        self.locks.take(JOURNAL)
        with self.journal.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self.locks.give_back(JOURNAL)


class Study:
    """Trials of a space's networks, in a journal file that further processes may share, on other machines as well.

    A trial belongs to the process that holds its lock. One that is running in the journal and that nobody holds was
    interrupted: it is written off, and its network is the next to be tried.

    Args:
        path: the journal; made where it is not there. The locks are in a file beside it.
        space: what is chosen from.
        directions: of each value of a trial.
        says: what the study is of; another one is refused.
        first: names and points to begin with.
        prune_after: epochs that each candidate gets before the median of the others' may end it; None: it never does.
        seed: of what is drawn.

    Raises:
        UserError: for a file that is no journal, or of another search.
    """

    def __init__(
        self,
        path: Path,
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
        path.parent.mkdir(parents=True, exist_ok=True)
        self.locks = Locks(path.with_name(f"{path.name}.locks"))
        says = json.loads(json.dumps(says))
        with self.locks.held(STUDY):
            try:
                journal = JournalFileBackend(str(path), JournalLock(path, self.locks))
                self.study = optuna.create_study(
                    study_name="blocks",
                    storage=JournalStorage(journal),
                    directions=list(directions),
                    pruner=pruner(prune_after),
                    load_if_exists=True,
                )
            except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
                raise UserError(f"search.study={path} is no journal of a study") from None
            found = self.study.user_attrs.get("search")
            if found is None:  # last what tells that it is all there
                for name, point in first.items():
                    self.study.enqueue_trial(point, user_attrs={"name": name}, skip_if_exists=True)
                self.study.set_user_attr("search", says)
        if found is not None:
            check_same(found, says, path)

    def agreed(self, key: str, value: float) -> float:
        """A value that all processes go by: the first one's, where measuring it again would give another."""
        with self.locks.held(STUDY):
            if key not in self.study.user_attrs:
                self.study.set_user_attr(key, value)
            result: float = self.study.user_attrs[key]
            return result

    def trials(self) -> list[FrozenTrial]:
        """All trials so far, in their order."""
        return self.study.get_trials(deepcopy=False)

    def next(self, wanted: int, rest: Callable[[], None]) -> Trial | None:
        """A trial for this process to run; None when so many are finished, complete or pruned.

        Args:
            rest: called again and again while enough trials are running elsewhere; one of them may be interrupted yet.
        """
        while True:
            with self.locks.held(STUDY):
                self.requeue()
                states = [trial.state for trial in self.trials()]
                finished = sum(state in FINISHED for state in states)
                if finished >= min(wanted, self.space.count):
                    return None
                if finished + states.count(TrialState.RUNNING) < min(wanted, self.space.count):
                    return self.new()
            rest()

    def requeue(self) -> None:
        """Write off the trials that were interrupted; their networks are next."""
        trials = self.trials()
        again = {trial.user_attrs.get("again") for trial in trials}
        for trial in trials:
            if trial.state != TrialState.RUNNING or not self.locks.try_to_take(TRIALS + trial.number):
                continue
            point = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            if point and trial.number not in again:  # it is, if whoever did this was interrupted in turn
                name = {key: value for key, value in trial.user_attrs.items() if key == "name"}
                self.study.enqueue_trial(point, user_attrs={**name, "again": trial.number})
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.locks.give_back(TRIALS + trial.number)

    def new(self) -> Trial:
        """A trial of a network that is in no other, held by this process."""
        trials = self.trials()
        tried = [trial.params for trial in trials if trial.state in (*FINISHED, TrialState.RUNNING)]
        for _ in range(DRAWS):
            trial = self.asked()
            if trial.params not in tried:
                return trial
            self.study.tell(trial, state=TrialState.FAIL)
            self.locks.give_back(TRIALS + trial.number)
        self.study.enqueue_trial(next(point for point in self.space.points() if point not in tried))
        return self.asked()

    def asked(self) -> Trial:
        """A trial as Optuna gives it, held by this process.

        What is drawn depends on the trial's number: a sampler that began anew behind a kill would draw the same again.
        """
        self.study.sampler = TPESampler(seed=self.seed + len(self.trials()), constant_liar=True)
        trial = self.study.ask(self.distributions)
        self.locks.take(TRIALS + trial.number)
        trial.set_user_attr("process", f"{os.getpid()} on {socket.gethostname()}")
        return trial

    def end(self, trial: Trial, values: Sequence[float] | None) -> None:
        """Finish a trial: complete with these values, or pruned."""
        with self.locks.held(STUDY):
            self.study.tell(trial, values, TrialState.PRUNED if values is None else TrialState.COMPLETE)
            self.locks.give_back(TRIALS + trial.number)


def pruner(after: int | None) -> BasePruner:
    """What ends trials early, from so many epochs on: those that are below the median of the others by then."""
    return NopPruner() if after is None else MedianPruner(n_startup_trials=4, n_warmup_steps=after)


def check_same(found: Mapping[str, Any], says: Mapping[str, Any], path: Path) -> None:
    """Raises a UserError for the first difference between what a study is of and what is asked for.

    Classes may have had other names when the study was begun.
    """
    found = {key: name_of_today(value) if key.endswith("_target_") else value for key, value in found.items()}
    for key in dict.fromkeys((*says, *found)):
        if found.get(key) != says.get(key):
            values = f" is {found.get(key)} there, {says.get(key)} here"
            what = key + values if len(values) < LONG else f"another {key}"
            raise UserError(f"search.study={path} is of another search: {what}; leave it out to begin a new one")
