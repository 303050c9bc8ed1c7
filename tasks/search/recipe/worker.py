"""The processes that train: whatever happens in one of them is the end of a trial, not of the search."""

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tasks.common.console import stop_on_signals
from tasks.common.errors import Diverged, Stopped, UserError, is_out_of_memory
from tasks.data.loading.handing import Handed
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.search.recipe.trial import Judge, Pace, Pruned, changed, measure, train_trial

PATIENCE = 5  # seconds that a process has to end by itself


class Job(NamedTuple):
    """What a process is asked to train.

    Attributes:
        name: of its log.
        changes: values at dotted keys; None to measure the pace of the recipe as it is.
    """

    name: str
    changes: Mapping[str, Any] | None


class Score(NamedTuple):
    """The score after a quarter of the training; the process waits for whether it goes on."""

    rung: int
    value: float


class End(NamedTuple):
    """How a job ended: complete, pruned, diverged or failed; with the pace if it was measured."""

    state: str
    score: float | None = None
    reason: str = ""
    pace: Pace | None = None


class Worker:
    """A process that trains.

    Args:
        run: of the recipe as it is.
        splits: images to train on, and held-out ones as val.
        folder: for logs.
        threads: of the process; None for as many as PyTorch takes.

    Attributes:
        connection: to the process: jobs and decisions there, scores and ends back.
    """

    def __init__(self, run: Run, splits: Handed, folder: Path, threads: int | None) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process: SpawnProcess = context.Process(target=work, args=(theirs, run, splits, folder, threads))
        self.process.start()
        self.asked = False
        theirs.close()  # so that the end of the process ends the connection

    def ask_to_end(self) -> None:
        """Send SIGTERM, once: after a second one the process would leave the semaphores of its data workers behind."""
        if not self.asked:
            self.asked = True
            self.process.terminate()

    def stop(self) -> None:
        """End the process."""
        self.ask_to_end()
        self.connection.close()
        self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def work(connection: Connection, run: Run, splits: Splits, folder: Path, threads: int | None) -> None:
    """Do jobs until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches the first process, which ends this one
    if threads is not None:
        torch.set_num_threads(threads)

    def tell(rung: int, value: float) -> bool:
        connection.send(Score(rung, value))
        return bool(connection.recv())

    with contextlib.suppress(EOFError, OSError, Stopped), stop_on_signals():
        while True:
            job: Job = connection.recv()
            with (
                (folder / f"{job.name}.log").open("a", encoding="utf-8") as log,
                contextlib.redirect_stdout(log),
                contextlib.redirect_stderr(log),
            ):
                end = attempt(job, run, splits, folder / job.name, tell)
            connection.send(end)


def attempt(job: Job, run: Run, splits: Splits, folder: Path, tell: Callable[[int, float], bool]) -> End:
    """Do a job; whatever it raises is its end, except a stop and a connection that has ended."""
    judge = Judge(tell)
    try:
        if job.changes is None:
            return End("complete", pace=measure(run, splits, folder))
        train_trial(changed(run, job.changes), splits, folder, judge)
    except Pruned:
        return End("pruned", judge.score)
    except Diverged as error:
        return End("diverged", judge.score, str(error))
    except UserError as error:
        return End("failed", judge.score, str(error))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        raise
    except Exception as error:
        traceback.print_exc()
        if is_out_of_memory(error) and torch.cuda.is_available():
            torch.cuda.empty_cache()
        line = " ".join(str(error).split())[:200]
        return End("failed", judge.score, f"{type(error).__name__}: {line}")
    return End("complete", judge.score)
