"""The study of a block search: each network is tried once."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from optuna.distributions import CategoricalDistribution
from optuna.pruners import BasePruner, MedianPruner, NopPruner
from optuna.trial import Trial, TrialState

from tasks.search.block.space import Point, Space
from tasks.search.study import SharedStudy

DRAWS = 20  # of a network, as the sampler may repeat one, before looking through all remaining ones
RANDOM = 10  # trials before Optuna's model of the good ones chooses
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class Study(SharedStudy):
    """Trials of a space's networks.

    Args:
        path: the journal, or the URL of a database.
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
        self.space = space
        super().__init__(
            path,
            "blocks",
            says=says,
            first=first,
            draws={key: CategoricalDistribution(values) for key, values in space.choices.items()},
            directions=directions,
            pruner=pruner(prune_after),
            seed=seed,
            random=RANDOM,
        )

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

    def end(self, trial: Trial, values: Sequence[float] | None) -> None:
        """Finish a trial as complete with these values, or as pruned if they are None; see ending()."""
        with self.ending(trial):
            self.study.tell(trial, values, TrialState.PRUNED if values is None else TrialState.COMPLETE)


def pruner(after: int | None) -> BasePruner:
    """Pruner that stops trials below the median of the others after this number of epochs; None never stops any."""
    return NopPruner() if after is None else MedianPruner(n_startup_trials=4, n_warmup_steps=after)
