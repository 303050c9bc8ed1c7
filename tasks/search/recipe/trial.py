"""One training of a recipe search: the real one, shorter, with its schedule to the end, scored on held-out images."""

import math
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from lightning import Callback, Trainer

from tasks.common.errors import Diverged, Stopped
from tasks.config.tree import has, put
from tasks.data.loading.splits import Splits
from tasks.engine.build import build_data
from tasks.engine.prepare import prepare, ready
from tasks.engine.settings import Run
from tasks.engine.train import fit
from tasks.search.recipe.study import RUNGS

TIMED = 8  # batches of the trial that times a step


class Pruned(Exception):
    """Ends a training whose score is hopeless."""


class Length(NamedTuple):
    """How long a trial trains.

    Attributes:
        epochs: of the trainer; with `batches`, parts of an epoch.
        every: epochs between scores, a quarter of all.
        batches: of each epoch; None for all.
    """

    epochs: int
    every: int
    batches: int | None

    @classmethod
    def of(cls, rung: float, whole: int) -> "Length":
        """A training of RUNGS times about `rung` steps, in equal epochs of `whole` batches at most."""
        steps = max(1, round(rung))
        every = math.ceil(steps / whole)
        batches = round(steps / every)
        return cls(RUNGS * every, every, batches if batches < whole else None)

    @property
    def changes(self) -> dict[str, Any]:
        """The values that make a configuration this long."""
        return {
            "trainer.max_epochs": self.epochs,
            "trainer.check_val_every_n_epoch": self.every,
            "trainer.limit_train_batches": 1.0 if self.batches is None else self.batches,
        }


class Pace(NamedTuple):
    """Seconds of a training of the recipe as it is: before its first step, for a step, and for a scoring."""

    before: float
    step: float
    scoring: float


FIXED = {  # of every trial
    "trainer.limit_val_batches": 1.0,
    "trainer.devices": 1,
    "trainer.num_nodes": 1,
    "trainer.strategy": "auto",
    "trainer.sync_batchnorm": False,
    "trainer.num_sanity_val_steps": 0,
    "logger": None,
    "stop_after": None,
    "saving.minutes": None,
    "pictures": 0,
}


def changed(run: Run, changes: Mapping[str, Any]) -> Run:
    """The run with other values at dotted keys.

    Raises:
        UserError: for a value that violates its rule.
    """
    tree = dict(run.stored)
    for key, value in changes.items():
        tree = put(tree, key, value)
    return Run.of(run.task, tree, run.output_dir)


def epoch_batches(run: Run, splits: Splits) -> int:
    """Number of batches in an epoch of the whole training data."""
    order = build_data(run.data, run.seed, splits).order()
    return len(order(seed=run.seed, repeat=run.data.repeat))


def train_trial(run: Run, splits: Splits, folder: Path, callback: Callback) -> None:
    """Train as the real command does.

    Args:
        folder: for the checkpoints, which are removed.

    Raises:
        UserError: for what the real command would refuse; Diverged for a loss that is not finite, or has exploded.
    """
    learner, data, *_ = prepared = prepare(run, splits)
    metadata = ready(run, prepared, splits, folder)
    try:
        exploded = fit(run, learner, data, metadata, splits, folder, callbacks=[callback, EndAtOnce()])
    finally:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    if exploded:
        raise Diverged(exploded)


class EndAtOnce(Callback):
    """Ends a trial on SIGTERM wherever it is, and its data workers with it.

    Training alone would go on until it has a step to save, of which a trial keeps nothing; the search does not wait
    so long, and what it kills leaves the semaphores of its data workers behind.
    """

    def on_train_start(self, *_: Any) -> None:  # after StopOnSignal, whose handler this replaces
        def stop(number: int, _frame: Any) -> None:
            signal.signal(number, signal.SIG_IGN)  # it ends already
            raise Stopped(number)

        signal.signal(signal.SIGTERM, stop)


class Judge(Callback):
    """Passes on the main score after every quarter of a training.

    Args:
        tell: called with the quarter, from 1, and the score; returns whether the training ends here.

    Attributes:
        score: the last one; None before the first.
    """

    def __init__(self, tell: Callable[[int, float], bool]) -> None:
        self.tell = tell
        self.rung = 0
        self.score: float | None = None

    def on_validation_end(self, _trainer: Trainer, learner: Any) -> None:
        ((name, scores),) = learner.scores_by_task().items()
        self.rung += 1
        score = self.score = float(scores[learner.task(name).score] or 0.0)
        if self.tell(self.rung, score):
            raise Pruned


class Clock(Callback):
    """Measures a training of two epochs, of which the second is scored."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.ends: list[float] = []
        self.start = self.scored = self.scoring = 0.0

    def on_train_start(self, *_: Any) -> None:
        self.start = time.perf_counter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.ends.append(time.perf_counter())

    def on_validation_start(self, *_: Any) -> None:
        self.scored = time.perf_counter()

    def on_validation_end(self, *_: Any) -> None:
        self.scoring = time.perf_counter() - self.scored

    def pace(self) -> Pace:
        """The seconds of each part; loading the first batch counts as before the training."""
        second = self.ends[len(self.ends) // 2 :]
        steps = [(self.scored - self.ends[len(self.ends) // 2 - 1]) / len(second)] if second else [0.0]
        return Pace(self.ends[0] - self.begin, statistics.median(steps), self.scoring)


def measure(run: Run, splits: Splits, folder: Path) -> Pace:
    """The pace of a training of the recipe as it is."""
    changes: dict[str, Any] = {"trainer.limit_train_batches": min(TIMED, epoch_batches(run, splits))}
    changes |= {"trainer.max_epochs": 2, "trainer.check_val_every_n_epoch": 2}
    if has(run.stored, "scheduler.warmup"):
        changes["scheduler.warmup"] = 0.0  # steps of a warm-up may be more than these
    clock = Clock()
    train_trial(changed(run, changes), splits, folder, clock)
    return clock.pace()
