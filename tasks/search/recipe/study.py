"""The study of a recipe search: how trials end, and what they say about the dimensions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from optuna.exceptions import UpdateFinishedTrialError
from optuna.pruners import MedianPruner, NopPruner
from optuna.trial import FrozenTrial, Trial, TrialState

from tasks.search.recipe.identity import of_today
from tasks.search.recipe.space import Space
from tasks.search.study import SharedStudy

FILE = "trials.log"  # the journal, without search.study
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


class RecipeStudy(SharedStudy):
    """All trials of a search. The recipe as it is comes first.

    Args:
        place: the journal, or the URL of a database.
        space: the dimensions.
        says: what scores depend on, by identity().
        prune: whether trials may end early.
        seed: of the sampler.
        typed: the argument by which the search goes on.

    Attributes:
        known: number of trials that were finished when it was opened.

    Raises:
        UserError: for a journal that cannot be read, or one of another search.
    """

    def __init__(
        self, place: Path | str, space: Space, says: Mapping[str, Any], *, prune: bool, seed: int, typed: str
    ) -> None:
        self.space = space
        super().__init__(
            place,
            "recipe",
            says=says,
            first={"recipe": space.start},
            draws={name: dimension.values for name, dimension in space.dimensions.items()},
            directions=["maximize"],
            pruner=MedianPruner(n_startup_trials=AT_ONCE, n_warmup_steps=BEFORE) if prune else NopPruner(),
            seed=seed,
            random=RANDOM,
            typed=typed,
        )
        with self.shared.deciding():
            self.requeue()
        self.known = len(self.outcomes())

    def check_same(self, found: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
        super().check_same(of_today(found, asked), asked)

    def next(self, wanted: int | None) -> Trial | None:
        """Start a trial, claimed by this process; None if enough have ended or are running, here or elsewhere.

        What is drawn depends on the trials so far and the seed alone.

        Args:
            wanted: number of trials that are to end in the whole study; None without a limit.
        """
        with self.shared.deciding():
            self.requeue()
            running = sum(trial.state == TrialState.RUNNING for trial in self.trials())
            if wanted is not None and len(self.outcomes()) + running >= wanted:
                return None
            return self.asked()

    def goes_on(self, trial: Trial, rung: int, score: float) -> bool:
        """Report a trial's score after a quarter of its steps; returns whether it is trained further.

        The recipe as it is always is. One that another process was given meanwhile is not.
        """
        try:
            trial.report(score, rung)
        except UpdateFinishedTrialError:
            return False
        return "name" in trial.user_attrs or rung == RUNGS or not trial.should_prune()

    def end(self, trial: Trial, state: str, *, score: float | None, seconds: float, reason: str = "") -> None:
        """Finish a trial as complete, pruned, diverged or failed.

        A diverged one counts as a whole one with a score of 0, so that its neighbourhood is left; one that failed for
        any other reason says nothing about its values.
        """
        with self.ending(trial):
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
        return list(self.trials()[trial.number].intermediate_values)

    def outcomes(self) -> list[Outcome]:
        """All trials that have ended, in order, without interrupted ones."""
        ended = [trial for trial in self.trials() if trial.state.is_finished() and "reason" in trial.user_attrs]
        return [outcome_of(trial) for trial in ended if trial.state != TrialState.FAIL or trial.user_attrs["reason"]]

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
