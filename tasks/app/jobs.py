"""The jobs of a sweep (`-m`): those that need several processes run as separate commands; failed ones are listed."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode
from omegaconf import OmegaConf

from tasks.app.runlog import NAME as RUN_LOG
from tasks.app.sweep import FAILURES, compare
from tasks.common.console import SIGNALS
from tasks.common.errors import Diverged, Stopped, UserError, visible
from tasks.common.processes import command_of, quoted
from tasks.common.writing import write_text
from tasks.engine.settings import Run

HANGUP = [signal.SIGHUP] if hasattr(signal, "SIGHUP") else []  # of a closed terminal: only its own session gets it
PASSED_ON = (*SIGNALS, *HANGUP)
SWEEPS = ("hydra.mode", "hydra.sweep", "hydra.launcher", "hydra.run.dir", "hydra.job.num", "hydra.job.id")


def in_sweep() -> bool:
    """Whether this run is a job of a sweep."""
    return HydraConfig.get().mode == RunMode.MULTIRUN


def needs_own_command(run: Run) -> bool:
    """Whether Lightning would start processes for this job: it does so by repeating the whole command, including `-m`.

    If torchrun or SLURM started the processes, each runs the whole sweep, and they meet in every job.
    """
    trainer = run.trainer.spec
    if run.mode not in ("train", "evaluate"):
        return False
    if (str(trainer.get("devices")), trainer.get("num_nodes"), trainer.get("strategy")) == ("1", 1, "auto"):
        return False
    from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

    from tasks.engine.build import make_trainer  # imports torch: seconds

    launcher = make_trainer(run.trainer, []).strategy.launcher
    return (
        isinstance(launcher, _SubprocessScriptLauncher)
        and not launcher.cluster_environment.creates_processes_externally
    )


def words(overrides: Any) -> list[str]:
    """The words that were typed, with `${…}` unresolved."""
    found: Any = OmegaConf.to_container(overrides, resolve=False)
    result: list[str] = found
    return result


def run_own_command(task: str, typed: Sequence[str], folder: Path) -> None:
    """Run this job of a sweep as a separate command in the job's folder.

    Each signal is passed on to it once; the command handles it itself.

    Args:
        typed: overrides on the command line; a data set that follows from the checkpoint is left to the command.

    Raises:
        UserError: if it fails; the command has printed the reason. Diverged for a diverged loss.
        Stopped: if a signal ended it.
    """
    hydra = HydraConfig.get()
    command = [
        *command_of(task),
        *(word for word in words(hydra.overrides.task) if word in typed or not word.startswith("dataset=")),
        *(word for word in words(hydra.overrides.hydra) if not word.lstrip("+~").startswith(SWEEPS)),
        *(f"hydra.run.dir={quoted(folder)}", f"hydra.job.num={hydra.job.num}"),
    ]
    shutil.rmtree(folder / ".hydra", ignore_errors=True)  # the command claims the folder itself,
    (folder / RUN_LOG).unlink(missing_ok=True)  # and keeps its own log
    received: list[int] = []
    waiting: list[int] = []  # received, and not passed on
    process: subprocess.Popen[bytes] | None = None

    def deliver() -> None:
        with suppress(IndexError):  # a signal that comes in the middle is delivered with the others
            while process is not None and waiting:
                process.send_signal(waiting.pop(0))

    def pass_on(number: int, _frame: Any) -> None:
        received.append(number)
        waiting.append(number)
        deliver()

    before = {number: signal.signal(number, pass_on) for number in PASSED_ON}
    try:
        # its own session: otherwise it gets Ctrl-C twice, and a second one ends it at once
        with subprocess.Popen(command, start_new_session=True) as process:
            deliver()  # what came while it was starting
            status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise Stopped(received[0])
    if status:
        kind = Diverged if status == Diverged.status else UserError
        raise kind(f"its process ended with status {status}")


def note_failure(line: str) -> None:
    """Leave a line for the process that started the sweep: what a job on another machine printed stands in its log."""
    hydra = HydraConfig.get()
    write_text(Path(str(hydra.sweep.dir)) / FAILURES / f"{hydra.job.num}.txt", line)


def lost_job(error: Exception) -> str:
    """One line, with the table of the finished jobs, for a job whose process has left no result; else ''."""
    where = re.search(r"(\S+)/\.submitit/", str(error))
    if type(error).__name__ != "UncompletedJobError" or where is None:
        return ""
    compare(Path(where[1]))
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"a job was killed, the table is without it and those that still run: {lines[0]}"


class Jobs:
    """Runs the jobs of a sweep; a failed job does not stop the others.

    Attributes:
        typed: arguments of the command, which define how the jobs differ.
        failed: a name for each failed job: its number and its values of the swept keys.
        faults: whether one of them failed because of a bug.
        process: that started the sweep; hydra/launcher=submitit_… runs its jobs in others, perhaps elsewhere.
    """

    def __init__(self) -> None:
        self.process = os.getpid(), socket.gethostname()
        self.typed: Sequence[str] = ()
        self.failed: list[str] = []
        self.faults = False

    def run(self, job: Callable[[], str]) -> None:
        """Run the current job, which returns a user error or ''; a failure is reported at once.

        A signal ends the sweep and prints the table of the finished jobs.
        """
        name = self.name()
        away = self.process != (os.getpid(), socket.gethostname())
        try:
            mistake = job()
        except Exception:
            traceback.print_exc()
            mistake, self.faults = "the traceback is above", True
        except (KeyboardInterrupt, Stopped, SystemExit) as error:
            if away:
                note_failure(f"{name}: stopped ({error})")
                return
            print(f"stopped in {name}", file=sys.stderr, flush=True)
            compare(Path(str(HydraConfig.get().sweep.dir)))
            raise
        if mistake:
            print(visible(f"error: {name}: {mistake}"), file=sys.stderr, flush=True)
            self.failed.append(name)
            if away:
                note_failure(f"{name}: {mistake}")

    def name(self) -> str:
        """Name of the current job, such as "job 3 (backbone=mobilenet_v2 seed=1)"."""
        hydra = HydraConfig.get()
        swept = {
            override.get_key_element()
            for override in OverridesParser.create().parse_overrides(
                [word for word in self.typed if "=" in word and not word.startswith("-")]
            )
            if override.is_sweep_override()
        } | {str(key) for key in hydra.sweeper.get("params") or {}}
        own = " ".join(word for word in words(hydra.overrides.task) if word.partition("=")[0] in swept)
        return f"job {hydra.job.num}" + (f" ({own})" if own else "")

    def summary(self) -> str:
        """A line with all failed jobs."""
        count = len(self.failed)
        return f"{count} job{'s' if count > 1 else ''} failed, the table is without: {', '.join(self.failed)}"
