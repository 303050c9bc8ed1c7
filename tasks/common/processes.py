"""Commands that a command starts: they write to a log, end with it, and give one line if they fail."""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

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
