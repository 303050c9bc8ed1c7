"""The trials of a recipe search: asked of the study, given to processes, judged and recorded until the time is over."""

import math
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from pathlib import Path
from typing import NamedTuple

from optuna.trial import Trial

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.search.recipe.outcome import line_of
from tasks.search.recipe.space import Space
from tasks.search.recipe.study import RUNGS, RecipeStudy
from tasks.search.recipe.trial import Length, Pace, epoch_batches
from tasks.search.recipe.worker import End, Job, Score, Worker
from tasks.search.settings import RecipeSettings

FILLED = 0.95  # of the time is planned: no trial takes exactly as long as the one that was timed
FEWEST = 4  # trials: the recipe as it is, and something to compare it with
IN_A_ROW = 3  # failures from the start, after which the search ends


class Busy(NamedTuple):
    """What a process trains at the moment; no trial while it measures the pace."""

    job: str
    trial: Trial | None
    since: float


class Search:
    """The trials of one command.

    Args:
        logs: folder of the trials' logs.
        deadline: on time.monotonic(), at which everything ends; math.inf without one.
    """

    def __init__(
        self,
        settings: RecipeSettings,
        run: Run,
        splits: Splits,
        space: Space,
        study: RecipeStudy,
        logs: Path,
        deadline: float,
    ) -> None:
        self.settings, self.run, self.space, self.study = settings, run, space, study
        self.logs, self.deadline = logs, deadline
        self.wanted = settings.trials if settings.minutes is None or settings.study is not None else None
        self.whole = epoch_batches(run, splits)
        self.rung = 0.0  # steps of a quarter of a trial at the recipe's image size
        self.busy: dict[Worker, Busy] = {}
        self.paces: list[Pace] = []
        self.longest = max(  # seconds of a whole trial
            (outcome.seconds for outcome in study.outcomes() if outcome.state == "complete"), default=0.0
        )
        self.shown = {outcome.number for outcome in study.outcomes()}
        self.has_worked = study.known > 0  # whether a trial was trained
        self.failed = 0  # trials before that

    def go(self, pool: list[Worker], another: Callable[[], Worker]) -> None:
        """Train until the time or the trials are over, those of other machines that share the study included.

        Args:
            pool: of idle processes; dead ones are replaced here.
            another: makes a process.
        """
        if not self.has_length():
            for number, worker in enumerate(pool, 1):  # each in a folder of its own, where it saves checkpoints
                self.give(worker, Job("pace" if number == 1 else f"pace_{number}", None), None)
        while True:
            if self.rung and self.has_time():
                self.start_trials(pool)
            if time.monotonic() >= self.deadline and not self.rung:
                raise UserError(self.nothing_timed())
            if time.monotonic() >= self.deadline or not (self.busy or self.awaits_others()):
                return
            self.listen(pool, another)
            self.show()

    def nothing_timed(self) -> str:
        """What to say if the time was over before the pace was known: no trial is shorter than the timing."""
        minutes, rounds = self.settings.minutes or 0.0, math.ceil(self.settings.trials / self.settings.workers)
        enough = math.ceil(minutes * (1 + rounds))
        return (
            f"search.minutes={minutes:g} are over before a step could be timed: minutes={enough} or more for "
            f"{self.settings.trials} trials, or fewer with search.trials=…"
        )

    def has_length(self) -> bool:
        """Whether the length of the trials is known: as the study has it, or from search.epochs."""
        epochs = self.settings.epochs
        self.rung = self.study.agreed("rung", None if epochs is None else epochs * self.whole / RUNGS) or 0.0
        if self.rung:
            self.report_length()
        return bool(self.rung)

    def report_length(self) -> None:
        """Say how long the trials are."""
        steps, epochs = RUNGS * self.rung, f"{RUNGS * self.rung / self.whole:.3g}"
        of_epochs = f"{epochs} epoch{'s' * (epochs != '1')}"
        report(f"trials    of {steps:,.0f} steps ({of_epochs}) each; larger images take fewer")

    def give(self, worker: Worker, job: Job, trial: Trial | None) -> None:
        """Let a process do a job."""
        self.busy[worker] = Busy(job.name, trial, time.monotonic())
        worker.connection.send(job)

    def start_trials(self, pool: list[Worker]) -> None:
        """Give idle processes trials, as long as more are wanted."""
        for worker in pool:
            if worker in self.busy:
                continue
            trial = self.study.next(self.wanted)
            if trial is None:
                return
            length = Length.of(self.rung / self.space.pixels(trial.params), self.whole)
            self.give(worker, Job(str(trial.number), self.space.changes(trial.params) | length.changes), trial)

    def has_time(self) -> bool:
        """Whether another trial would end in time."""
        return self.settings.minutes is None or time.monotonic() + self.longest <= self.deadline

    def awaits_others(self) -> bool:
        """Whether other machines train the last trials: one of them may still be interrupted."""
        return self.has_time() and self.wanted is not None and len(self.study.outcomes()) < self.wanted

    def show(self) -> None:
        """Print a line for each trial that has ended since the last call, whichever machine trained it."""
        for outcome in self.study.outcomes():
            if outcome.number not in self.shown:
                self.shown.add(outcome.number)
                report(line_of(outcome, self.space))

    def listen(self, pool: list[Worker], another: Callable[[], Worker]) -> None:
        """Handle what the processes say, for at most a second."""
        patience = min(1.0, max(0.0, self.deadline - time.monotonic()))
        if not self.busy:
            time.sleep(patience)
            return
        ready = wait([worker.connection for worker in self.busy], patience)
        for worker in [worker for worker in self.busy if worker.connection in ready]:
            try:
                said = worker.connection.recv()
            except (EOFError, OSError):
                worker.process.join()
                said = End("failed", None, f"its process ended with {worker.process.exitcode}")
                pool[pool.index(worker)] = another()
                worker.connection.close()
            if isinstance(said, Score):
                self.judge(worker, said)
            else:
                self.finish(worker, said)

    def judge(self, worker: Worker, score: Score) -> None:
        """Tell a training whether it ends here."""
        trial = self.busy[worker].trial
        assert trial is not None
        worker.connection.send(not self.study.goes_on(trial, score.rung, score.value))

    def finish(self, worker: Worker, end: End) -> None:
        """Record a job's end.

        Raises:
            UserError: if the recipe as it is fails, or everything does.
        """
        job, trial, since = self.busy.pop(worker)
        if trial is None:
            if end.pace is None:
                raise UserError(f"{end.reason} ({self.logs / job}.log)")
            self.take_pace(end.pace)
            return
        seconds = time.monotonic() - since
        self.study.end(trial, end.state, score=end.score, seconds=seconds, reason=end.reason)
        self.show()
        if end.state == "complete":
            self.longest = max(self.longest, seconds)
        if end.state in ("complete", "pruned"):
            self.has_worked = True
        elif not self.has_worked:
            self.failed += 1
            if self.failed == IN_A_ROW:
                raise UserError(f"the first {IN_A_ROW} trials failed: {end.reason} ({self.logs})")

    def take_pace(self, pace: Pace) -> None:
        """Derive the length of the trials once every process has measured the pace.

        Raises:
            UserError: if the time does not suffice.
        """
        self.paces.append(pace)
        if self.busy:
            return
        before, step, scoring = (max(values) for values in zip(*self.paces, strict=True))
        if rung := self.study.agreed("rung"):  # by another machine, meanwhile
            self.rung, self.longest = rung, before + RUNGS * (scoring + rung * step)
            self.report_length()
            return
        minutes, left = self.settings.minutes or 0.0, self.deadline - time.monotonic()
        rounds = self.rounds(FILLED * left, before + RUNGS * scoring)
        trials, seconds = min(rounds * self.settings.workers, self.settings.trials), FILLED * left / rounds
        rung = (seconds - before - RUNGS * scoring) / (RUNGS * step)
        if rung < 1:
            least = (before + RUNGS * (scoring + step)) * rounds / FILLED  # seconds
            raise UserError(
                f"minutes={minutes:g} leave {seconds:.1f} s for each of {trials} trials, which take {before:.1f} s to "
                f"start and {RUNGS} × {scoring:.1f} s to score: minutes={math.ceil(minutes + (least - left) / 60)} or "
                "more, or fewer search.trials or search.images"
            )
        if trials < self.settings.trials:
            report(
                f"trials    {trials} instead of {self.settings.trials}, which would start and score longer than train: "
                f"each takes {before:.1f} s to start and {RUNGS} × {scoring:.1f} s to score"
            )
        self.rung = self.study.agreed("rung", round(rung, 1))
        self.longest = before + RUNGS * (scoring + self.rung * step)
        self.report_length()

    def rounds(self, seconds: float, overhead: float) -> int:
        """How many trials each process has time for, if a trial trains at least as long as it starts and is scored.

        As many as are wanted at most; and FEWEST in all, or as many as are wanted, however short.
        """
        wanted, workers = self.settings.trials, self.settings.workers
        fit = int(seconds / (2 * overhead)) if overhead > 0 else wanted
        return max(min(math.ceil(wanted / workers), fit), math.ceil(min(wanted, FEWEST) / workers))
