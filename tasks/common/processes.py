"""Commands that a command starts: they write to a log, end with it, and give one line if they fail.

`child()` is for one of them, `run_all()` of trainings.py for several at once. Whoever calls Popen itself does so inside
`signals_held()`, and keeps the process where its `finally` finds it before the block ends.
"""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tasks.common.console import SIGNALS

ENTRY = Path(__file__).parents[2] / "mobilevision.py"
PATIENCE = 20  # seconds that a process has to exit by itself
Process = subprocess.Popen[bytes]


class Pace(NamedTuple):
    """Duration of a training in seconds: before its first epoch, and per epoch."""

    before: float
    epoch: float

    def epochs(self, seconds: float) -> int:
        """Number of epochs that fit into this time, at least one."""
        return max(1, int((seconds - self.before) / self.epoch))


def command_of(name: str) -> list[str]:
    """The words that start a command of ours in a process of its own: a task, or a module in full.

    Unlike `python -m`, it finds our packages also from a folder that has a tasks/ or conf/ of its own.
    """
    return [sys.executable, "-P", str(ENTRY), name]


@contextmanager
def signals_held() -> Iterator[None]:
    """Delay Python's handlers of signals to the end of the block; a signal that has none does what it always does.

    A handler that raises while a process is being started would leave a process that nobody knows and nobody ends.
    """
    came: list[int] = []
    before = {}
    if threading.current_thread() is threading.main_thread():  # in which alone Python runs handlers
        before = {number: handler for number in SIGNALS if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for each in came:
            signal.raise_signal(each)


def start(command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> Process:
    """Start a command that reads nothing and writes to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as said:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=None if environment is None else dict(environment),
        )


def stop(processes: Iterable[Process]) -> None:
    """End those that still run: all are asked to, and killed if they take too long."""
    running = [process for process in processes if process.poll() is None]
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def child(command: Sequence[str], log: Path) -> Iterator[Process]:
    """Start a process that does not outlive the block, however the block ends."""
    started: list[Process] = []
    try:
        with signals_held():
            started.append(start(command, log))
        yield started[0]
    finally:
        stop(started)


def reason(said: str, status: int) -> str:
    """Why a command failed: its first line that begins with `error:`, or else its last line.

    A sweep ends in such a line too, which only counts the failed jobs.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return errors[0] if errors else lines[-1] if lines else f"exit status {status}"


def quoted(path: str | Path) -> str:
    """A path or a text quoted for Hydra's command line, whatever it contains."""
    text = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), str(path))
    return f"'{text}'"
