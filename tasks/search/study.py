"""An Optuna study that processes share and that survives a kill: no trial is lost, and none runs twice."""

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.pruners import BasePruner
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks.common.errors import UserError
from tasks.config.targets import name_of_today
from tasks.search.shared import shared, this_process

LONG = 100  # characters; longer values, such as a whole network, are left out of messages
KINDS = ("blocks", "recipe")  # names of the studies


class SharedStudy:
    """Trials in a journal or a database that other processes share, even on other machines.

    A trial belongs to the process that has claimed it. A trial that is running according to the study but in no process
    was interrupted: it is marked as failed, and its point is tried next.

    Args:
        place: the journal, or the URL of a database; see shared().
        kind: of the search.
        says: the study's identity; a place with another one is rejected.
        first: points to start with, by name.
        draws: what each dimension is drawn from, by name.
        directions: one per value of a trial.
        pruner: stops hopeless trials.
        seed: of the sampler.
        random: trials before Optuna's model of the good ones chooses.
        typed: the argument that names the place, for messages; None for search.study=….

    Raises:
        UserError: for a place that cannot be opened, that is no study, or one of another search.
    """

    def __init__(
        self,
        place: Path | str,
        kind: Literal["blocks", "recipe"],
        *,
        says: Mapping[str, Any],
        first: Mapping[str, Mapping[str, Any]],
        draws: Mapping[str, BaseDistribution],
        directions: Sequence[Literal["minimize", "maximize"]],
        pruner: BasePruner,
        seed: int,
        random: int,
        typed: str | None = None,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=ExperimentalWarning)  # TPE's constant_liar, before Optuna 5
        warnings.filterwarnings("ignore", "Heartbeat of storage")  # which Shared writes itself
        self.draws, self.seed, self.random = dict(draws), seed, random
        self.typed = typed or f"search.study={place}"
        asked = json.loads(json.dumps(says))
        try:
            self.shared = shared(place)
            with self.shared.deciding():
                there = [name for name in optuna.get_all_study_names(self.shared.storage) if name in KINDS]
                if there and kind not in there:
                    raise UserError(f"{self.typed} is of another search: search={there[0]} there, search={kind} here")
                self.study = optuna.create_study(
                    study_name=kind,
                    storage=self.shared.storage,
                    directions=list(directions),
                    pruner=pruner,
                    load_if_exists=True,
                )
                found = self.study.user_attrs.get("search")
                if found is None:  # written last, as a completeness marker
                    for name, point in first.items():
                        self.study.enqueue_trial(dict(point), user_attrs={"name": name}, skip_if_exists=True)
                    self.study.set_user_attr("search", asked)
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise UserError(f"{self.typed}: {place} is no journal of a study") from None
        except OSError as error:
            raise UserError(f"{self.typed}: {error.filename or place}: {error.strerror or error}") from None
        if found is not None:
            self.check_same(found, asked)

    def check_same(self, found: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        """Raises a UserError if the study's identity is not the one that is asked for."""
        check_same(found, asked, self.typed)

    def agreed(self, key: str, value: Any = None) -> Any:
        """Value shared by all processes: the first one stored, since measuring again would give another.

        None if there is none and none is given.
        """
        with self.shared.deciding():
            if key not in self.study.user_attrs and value is not None:
                self.study.set_user_attr(key, value)
            return self.study.user_attrs.get(key)

    def trials(self) -> list[FrozenTrial]:
        """All trials so far, in order."""
        return self.study.get_trials(deepcopy=False)

    def requeue(self) -> None:
        """Mark interrupted trials as failed and enqueue their points again. Only while deciding."""
        again = {trial.user_attrs.get("again") for trial in self.trials()}
        for trial in self.shared.abandoned(self.study):
            point = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
            if point and trial.number not in again:  # already enqueued if a process was interrupted in this loop
                name = {key: value for key, value in trial.user_attrs.items() if key == "name"}
                self.study.enqueue_trial(point, user_attrs={**name, "again": trial.number})
            self.study.tell(trial.number, state=TrialState.FAIL)
            self.shared.release(trial)

    def asked(self) -> Trial:
        """Start a trial as Optuna draws it, claimed by this process. Only while deciding.

        The draw depends on the number of trials: a sampler restarted after a kill would otherwise repeat its draws.
        """
        count = len(self.trials())
        self.study.sampler = TPESampler(seed=self.seed + count, n_startup_trials=self.random, constant_liar=True)
        trial = self.study.ask(self.draws)
        self.shared.claim(trial)
        trial.set_user_attr("process", this_process())
        return trial

    @contextmanager
    def ending(self, trial: Trial) -> Iterator[None]:
        """A context in which a trial is finished, and after which it is no longer this process's.

        One that another process was given meanwhile, because this one was away for too long, is left to that process.
        """
        with self.shared.deciding():
            try:
                with suppress(UpdateFinishedTrialError):
                    yield
            finally:
                self.shared.release(trial)


def check_same(found: Mapping[str, Any], asked: Mapping[str, Any], typed: str) -> None:
    """Raises a UserError for the first difference between a study's stored identity and the requested one.

    Old class names in the study are translated to the current ones.

    Args:
        typed: the argument that names the study's place.
    """
    found = {key: name_of_today(value) if key.endswith("_target_") else value for key, value in found.items()}
    for key in dict.fromkeys((*asked, *found)):
        if found.get(key) != asked.get(key):
            values = f" is {found.get(key)} there, {asked.get(key)} here"
            what = key + values if len(values) < LONG else f"another {key}"
            raise UserError(f"{typed} is of another search: {what}; leave it out to begin a new one")
