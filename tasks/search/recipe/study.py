"""The study of a recipe search: an Optuna journal in the run's folder, written by one process alone.

A trial that is running according to the journal when it is opened was interrupted: it is tried again.
"""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks.common.errors import UserError
from tasks.search.journal import JournalLock
from tasks.search.locks import Locks
from tasks.search.recipe.space import Space

FILE = "trials.log"
RUNGS = 4  # scores of a whole trial, evenly spaced over its steps
BEFORE = 2  # of them are seen before a trial may end early: a high learning rate shines only once it is annealed
RANDOM = 6  # trials before Optuna's model of the good ones chooses
ENOUGH, QUARTER = 8, 0.25  # whole trials for importances, and the share of them that counts as best
AT_ONCE = 4  # whole trials whose median others are compared with


class Outcome(NamedTuple):
    """How a trial ended.

    Attributes:
        score: the last one; None if there is none.
        state: complete, pruned or failed.
        reason: of a failure.
    """

    number: int
    point: Mapping[str, Any]
    score: float | None
    state: str
    seconds: float
    reason: str


class RecipeStudy:
    """All trials of a search.

    Args:
        folder: of the run; has the journal.
        space: the dimensions.
        identity: what scores depend on; a journal with another one is refused.
        prune: whether trials may end early.
        seed: of the sampler.

    Attributes:
        known: number of trials that were finished when it was opened.

    Raises:
        UserError: for a journal that cannot be read, or one of another search.
    """

    def __init__(self, folder: Path, space: Space, identity: Mapping[str, Any], *, prune: bool, seed: int) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        warnings.filterwarnings("ignore", category=ExperimentalWarning)
        self.space, self.seed = space, seed
        path = folder / FILE
        pruner: BasePruner = MedianPruner(n_startup_trials=AT_ONCE, n_warmup_steps=BEFORE) if prune else NopPruner()
        try:
            journal = JournalFileBackend(str(path), JournalLock(path, Locks(folder / f"{FILE}.locks")))
            self.study = optuna.create_study(
                study_name="recipe",
                storage=JournalStorage(journal),
                direction="maximize",
                pruner=pruner,
                load_if_exists=True,
            )
        except (ValueError, KeyError, TypeError, AssertionError, RecursionError):
            raise UserError(f"{path} is no journal of a search") from None
        asked, found = json.loads(json.dumps(identity)), self.study.user_attrs.get("search")
        if found is None:
            self.study.enqueue_trial(space.start, user_attrs={"name": "recipe"})
            self.study.set_user_attr("search", asked)
        else:
            check_same(found, asked, folder)
        self.requeue()
        self.known = len(self.outcomes())

    def requeue(self) -> None:
        """Mark interrupted trials as failed, and enqueue their points once more."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.params:
                names = {"name": trial.user_attrs["name"]} if "name" in trial.user_attrs else {}
                self.study.enqueue_trial(trial.params, user_attrs=names)
            self.study.tell(trial.number, state=TrialState.FAIL)

    def agreed(self, key: str, value: Any = None) -> Any:
        """What the study has under a key; if it has nothing, the value is kept first."""
        if key not in self.study.user_attrs and value is not None:
            self.study.set_user_attr(key, value)
        return self.study.user_attrs.get(key)

    def ask(self) -> Trial:
        """Start a trial. What is drawn depends on the trials so far and the seed alone."""
        count = len(self.study.get_trials(deepcopy=False))
        self.study.sampler = TPESampler(seed=self.seed + count, n_startup_trials=RANDOM, constant_liar=True)
        return self.study.ask({name: dimension.values for name, dimension in self.space.dimensions.items()})

    def end(self, trial: Trial, state: str, *, score: float | None, seconds: float, reason: str = "") -> None:
        """Finish a trial as complete, pruned, diverged or failed.

        A diverged one counts as a whole one with a score of 0, so that its neighbourhood is left; one that failed for
        any other reason says nothing about its values.
        """
        for key, value in (("score", score), ("seconds", round(seconds, 2)), ("reason", reason)):
            trial.set_user_attr(key, value)
        if state == "complete":
            self.study.tell(trial, score)
        elif state == "pruned":
            self.study.tell(trial, state=TrialState.PRUNED)
        elif state == "diverged":
            if not any(step == RUNGS for step in self.steps(trial)):
                trial.report(0.0, RUNGS)
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def steps(self, trial: Trial) -> list[int]:
        """The rungs that a trial has reported."""
        return list(self.study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def outcomes(self) -> list[Outcome]:
        """All trials that have ended, in order, without interrupted ones."""
        return [
            outcome_of(trial)
            for trial in self.study.get_trials(deepcopy=False)
            if trial.state.is_finished() and "seconds" in trial.user_attrs
        ]

    def importances(self) -> dict[str, float]:
        """How much each dimension matters for being among the best quarter (PED-ANOVA, Watanabe et al., IJCAI 2023).

        Shares that sum to 1; {} with fewer than ENOUGH whole trials.
        """
        whole = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(whole) < ENOUGH or len({trial.value for trial in whole}) == 1:
            return {}
        from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

        try:
            evaluator = PedAnovaImportanceEvaluator(target_quantile=QUARTER)
        except TypeError:  # before Optuna 4.5
            evaluator = PedAnovaImportanceEvaluator(baseline_quantile=QUARTER)  # type: ignore[call-arg]
        found: dict[str, float] = get_param_importances(self.study, evaluator=evaluator)
        return found


def outcome_of(trial: FrozenTrial) -> Outcome:
    """How an ended trial ended."""
    said = trial.user_attrs
    state = "failed" if said["reason"] else trial.state.name.lower()
    return Outcome(trial.number, trial.params, said["score"], state, said["seconds"], said["reason"])


def check_same(found: Mapping[str, Any], asked: Mapping[str, Any], folder: Path) -> None:
    """Raises a UserError for the first difference between a journal's identity and the one that is asked for."""
    for key in dict.fromkeys((*asked, *found)):
        if found.get(key) != asked.get(key):
            raise UserError(
                f"{folder} has another search: {key} is {short(found.get(key))} there, {short(asked.get(key))} here; "
                "without hydra.run.dir=… a new one begins"
            )


def short(value: Any) -> str:
    """A value as one line shows it."""
    text = str(value)
    return text if len(text) < 80 else f"{text[:77]}…"
