"""search=recipe: tries recipes on the user's data until the time is over, and writes the best one as YAML.

The first process asks Optuna and keeps the journal; the others train. A trial that crashes, diverges or is killed is a
failed trial; the time is a limit of the clock, at which whatever still trains is ended.
"""

import copy
import math
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NamedTuple

from optuna.trial import Trial

from heads.sizes import measure as measure_cost
from tasks.common.console import report
from tasks.common.cpu import cores
from tasks.common.errors import Stopped, UserError
from tasks.config.budget import budgets_of
from tasks.config.overrides import leaves
from tasks.data.loading.holdout import hold_out
from tasks.data.loading.mixture import MixedSamples
from tasks.data.loading.splits import Splits
from tasks.data.loading.subset import Subset
from tasks.engine import train as training
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.summary import on_meta
from tasks.search.block.identity import contents, digest
from tasks.search.recipe.outcome import line_of, write_results
from tasks.search.recipe.space import Size, Space
from tasks.search.recipe.study import RUNGS, RecipeStudy
from tasks.search.recipe.trial import FIXED, Length, Pace, changed, epoch_batches
from tasks.search.recipe.worker import End, Job, Score, Worker
from tasks.search.settings import RecipeSettings

FILLED = 0.95  # of the time is planned: no trial takes exactly as long as the one that was timed
IN_A_ROW = 3  # failures from the start, after which the search ends
NO_MATTER = (  # keys that may differ when a search goes on
    *("search.minutes", "search.trials", "search.workers", "data.workers", "data.cache", "data.eval_batch_size"),
    *("confirm", "traceback", "plugins", "overwrite", "check", "pictures", "logger", "cpu", "runtime", "export"),
    *("benchmark", "saving", "hydra", "input", "stop_after"),
)
FILES = ("weights", "checkpoint", "distill.teacher", "distill.weights")


class Busy(NamedTuple):
    """What a process trains at the moment; no trial while it measures the pace."""

    trial: Trial | None
    begin: float


def search_recipe(run: Run, settings: RecipeSettings, splits: Splits, folder: Path, typed: Sequence[str]) -> None:
    """Search, print a line for each trial, and write the results: see outcome.write_results.

    Raises:
        UserError: for data that cannot be held out, nothing to vary, a folder of another search, too little time, or a
            recipe that fails as it is.
    """
    begin = time.monotonic()
    splits, where = scored_apart(splits, settings)
    workers = settings.workers
    threads = None if workers == 1 else max(1, len(cores()) // workers)
    if run.data.workers is None:
        run = changed(run, {"data.workers": min(8, max(0, len(cores()) // workers - 1))})
    run = changed(run, FIXED)
    learner, data, _ = training.build_all(run, splits)
    size = data.input_size()
    space = Space(run.stored, settings, size, lambda other: within_budget(run, learner, other))
    study = RecipeStudy(folder, space, identity(run, splits), prune=settings.prune, seed=run.seed)
    report(where)
    report(f"varied    {', '.join(space.ranges())}")
    for name, reason in space.left_out.items():
        report(f"          {name} stays: {reason}")
    if study.known:
        report(f"goes on   after {study.known} trials in {folder}")
    logs = folder / "trials"
    logs.mkdir(exist_ok=True)
    search = Search(settings, run, splits, space, study, logs, begin)
    pool = [Worker(run, splits, logs, threads) for _ in range(workers)]
    try:
        search.go(pool, lambda: Worker(run, splits, logs, threads))
    except Stopped:
        report(f"the search goes on with hydra.run.dir={folder}")
        raise
    finally:
        for worker in pool:
            worker.process.terminate()
        for worker in pool:
            worker.stop()
    write_results(study, space, run, folder, typed)


class Search:
    """The trials of one command.

    Args:
        logs: folder of the trials' logs.
        begin: of the command's time.
    """

    def __init__(
        self,
        settings: RecipeSettings,
        run: Run,
        splits: Splits,
        space: Space,
        study: RecipeStudy,
        logs: Path,
        begin: float,
    ) -> None:
        self.settings, self.run, self.space, self.study = settings, run, space, study
        self.logs = logs
        self.end = math.inf if settings.minutes is None else begin + 60 * settings.minutes
        self.whole = epoch_batches(run, splits)
        self.rung = 0.0  # steps of a quarter of a trial at the recipe's image size
        self.busy: dict[Worker, Busy] = {}
        self.paces: list[Pace] = []
        self.longest = max(  # seconds of a whole trial
            (outcome.seconds for outcome in study.outcomes() if outcome.state == "complete"), default=0.0
        )
        self.failed = 0  # in a row, from the start

    def go(self, pool: list[Worker], another: Any) -> None:
        """Train until the time or the trials are over.

        Args:
            pool: of idle processes; dead ones are replaced here.
            another: makes a process.
        """
        if not self.has_length():
            for worker in pool:
                self.give(worker, Job("pace", None), None)
        while True:
            for worker in pool:
                if worker not in self.busy and self.rung and self.wants_more():
                    self.begin(worker)
            if time.monotonic() >= self.end and not self.rung:
                raise UserError(
                    f"search.minutes={self.settings.minutes:g} are over before a step could be timed: more minutes"
                )
            if not self.busy or time.monotonic() >= self.end:
                return
            self.listen(pool, another)

    def has_length(self) -> bool:
        """Whether the length of the trials is known: as the study has it, or from search.epochs."""
        epochs = self.settings.epochs
        self.rung = self.study.agreed("rung", None if epochs is None else epochs * self.whole / RUNGS) or 0.0
        if self.rung:
            self.report_length()
        return bool(self.rung)

    def report_length(self) -> None:
        """Say how long the trials are."""
        steps = RUNGS * self.rung
        report(f"trials    of {steps:,.0f} steps ({steps / self.whole:.3g} epochs) each; larger images take fewer")

    def give(self, worker: Worker, job: Job, trial: Trial | None) -> None:
        """Let a process do a job."""
        self.busy[worker] = Busy(trial, time.monotonic())
        worker.connection.send(job)

    def begin(self, worker: Worker) -> None:
        """Start the next trial."""
        trial = self.study.ask()
        length = Length.of(self.rung / self.space.pixels(trial.params), self.whole)
        self.give(worker, Job(str(trial.number), self.space.changes(trial.params) | length.changes), trial)

    def wants_more(self) -> bool:
        """Whether another trial is needed, and would end in time."""
        running = sum(busy.trial is not None for busy in self.busy.values())
        if self.settings.minutes is None:
            return len(self.study.outcomes()) + running < self.settings.trials
        return time.monotonic() + self.longest <= self.end

    def listen(self, pool: list[Worker], another: Any) -> None:
        """Handle what the processes say, for at most a second."""
        patience = min(1.0, max(0.0, self.end - time.monotonic()))
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
        """Tell a training whether it goes on; the recipe as it is always does."""
        trial = self.busy[worker].trial
        assert trial is not None
        trial.report(score.value, score.rung)
        kept = "name" in trial.user_attrs or score.rung == RUNGS
        worker.connection.send(not kept and trial.should_prune())

    def finish(self, worker: Worker, end: End) -> None:
        """Record a job's end.

        Raises:
            UserError: if the recipe as it is fails, or everything does.
        """
        trial, begin = self.busy.pop(worker)
        if trial is None:
            self.take_pace(end)
            return
        seconds = time.monotonic() - begin
        self.study.end(trial, end.state, score=end.score, seconds=seconds, reason=end.reason)
        outcome = next(each for each in self.study.outcomes() if each.number == trial.number)
        report(line_of(outcome, self.space))
        if end.state == "complete":
            self.longest = max(self.longest, seconds)
        if end.state in ("complete", "pruned"):
            self.failed = -1
        elif self.failed >= 0 and not self.study.known:
            self.failed += 1
            if self.failed == IN_A_ROW:
                raise UserError(f"the first {IN_A_ROW} trials failed: {end.reason} ({self.logs})")

    def take_pace(self, end: End) -> None:
        """Derive the length of the trials once every process has measured the pace.

        Raises:
            UserError: if the recipe as it is fails, or the time does not suffice.
        """
        if end.pace is None:
            raise UserError(f"{end.reason} ({self.logs / 'pace.log'})")
        self.paces.append(end.pace)
        if self.busy:
            return
        before, step, scoring = (max(values) for values in zip(*self.paces, strict=True))
        minutes, trials = self.settings.minutes or 0.0, self.settings.trials
        seconds = FILLED * (self.end - time.monotonic()) / math.ceil(trials / self.settings.workers)
        rung = (seconds - before - RUNGS * scoring) / (RUNGS * step)
        if rung < 1:
            raise UserError(
                f"minutes={minutes:g} leave {seconds:.1f} s for each of {trials} trials, which take {before:.1f} s to "
                f"start and {RUNGS} × {scoring:.1f} s to score: more minutes, or fewer search.trials or search.images"
            )
        self.longest = seconds
        self.rung = self.study.agreed("rung", round(rung, 1))
        self.report_length()


def scored_apart(splits: Splits, settings: RecipeSettings) -> tuple[Splits, str]:
    """Images to train on, and held-out training images in the place of val; and a line that says so.

    Raises:
        UserError: if too few images are left on either side.
    """
    train, held, record = splits.train, splits.held, splits.holdout
    if held is None:
        train, held, record = hold_out(splits.train, settings.holdout, "search.holdout")
    count, whole = len(held), len(train) + len(held)
    if len(held) > settings.images and not isinstance(held, MixedSamples):
        held = Subset(held, range(settings.images))
    some = f"{len(held):,} of {count:,}" if len(held) < count else f"{count:,}"
    line = f"scored    on {some} training images held out of {whole:,}; never on val, whose score stays honest"
    return splits._replace(train=train, val=held, held=None, holdout=record), line


def within_budget(run: Run, learner: Learner, size: Size) -> bool:
    """Whether the network is within budget.madds and budget.latency_ms at an image size."""
    budget: Mapping[str, float] = budgets_of(run.stored)
    if "madds" in budget:
        ((_, task),) = learner.each_task()
        backbone = on_meta(learner.backbone)
        backbone.keep(task.head.maps)
        head = copy.deepcopy(task.head).to("meta")
        if measure_cost(backbone, head, *size).madds > budget["madds"]:
            return False
    if "latency_ms" in budget:
        from tasks.latency.whole import torch_latency

        return torch_latency(learner, size) <= budget["latency_ms"]
    return True


def identity(run: Run, splits: Splits) -> dict[str, Any]:
    """What scores depend on, by dotted keys: the configuration, the images, and the content of files."""
    found = dict(leaves(dict(run.stored), ""))
    said = {key.lstrip("."): value for key, value in found.items()}
    said = {key: value for key, value in said.items() if not any(within(key, other) for other in NO_MATTER)}
    said |= {key: digest(str(said[key])) for key in FILES if said.get(key) is not None}
    return said | {"training images": contents(splits.train), "held-out images": contents(splits.val)}


def within(key: str, other: str) -> bool:
    """Whether a dotted key is another one or below it."""
    return key == other or key.startswith(f"{other}.")
