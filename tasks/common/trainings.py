"""Runs trainings as separate commands, several at the same time; what is finished already is kept."""

import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.console import report
from tasks.common.cpu import cores
from tasks.common.errors import UserError
from tasks.common.processes import Process, command_of, quoted, reason, signals_held, start, stop
from tasks.common.typed import seed_word


class Job(NamedTuple):
    """A row's trainings.

    Attributes:
        task: whose command runs it.
        name: of the row.
        overrides: of the command.
        folder: has a folder for each seed.
    """

    task: str
    name: str
    overrides: tuple[str, ...]
    folder: Path

    def at(self, seed: int) -> Path:
        """The folder of a seed's run."""
        return self.folder / f"seed_{seed}"

    @property
    def log(self) -> Path:
        """File with what the command prints."""
        return self.folder.with_name(f"{self.folder.name}.log")

    def done(self, seed: int) -> bool:
        """Whether this seed was trained and scored."""
        return (self.at(seed) / "metrics.json").is_file()

    def command(self, seeds: Sequence[int], more: Sequence[str], *, alone: bool) -> list[str]:
        """The command that trains these seeds.

        Args:
            alone: whether nothing else trains at the same time, so that threads may be bound to cores.
        """
        return [
            *(*command_of(self.task), "-m", *self.overrides, *more),
            *([] if alone else ["cpu.bind_threads=false"]),
            seed_word(seeds),
            *(f"hydra.sweep.dir={quoted(self.folder)}", "hydra.sweep.subdir=seed_${seed}"),
        ]


def run_all(jobs: Sequence[Job], seeds: Sequence[int], more: Sequence[str], workers: int) -> list[str]:
    """Train what is missing, several rows at the same time; returns a line for each row that failed.

    A failed row does not stop the others. However this ends, its processes end too.
    """
    waiting = [(job, missing) for job in jobs if (missing := [seed for seed in seeds if not job.done(seed)])]
    together = max(1, min(workers, len(waiting)))
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, len(cores()) // together))}
    running: dict[Job, tuple[Process, float]] = {}
    failures = []
    try:
        while waiting or running:
            while waiting and len(running) < together:
                job, missing = waiting.pop(0)
                for seed in missing:
                    shutil.rmtree(job.at(seed), ignore_errors=True)  # of a run that was stopped
                with signals_held():
                    process = start(job.command(missing, more, alone=together == 1), job.log, environment)
                    running[job] = process, time.perf_counter()
            time.sleep(0.2)
            for job in [job for job, (process, _) in running.items() if process.poll() is not None]:
                process, begin = running.pop(job)
                if process.returncode:
                    why = reason(job.log.read_text(encoding="utf-8", errors="replace"), process.returncode)
                    failures.append(f"{job.name}: {why}")
                    report(f"failed    {failures[-1]} ({job.log})")
                else:
                    minutes = (time.perf_counter() - begin) / 60
                    report(f"done      {job.name} in {minutes:.1f} minutes; {len(waiting)} rows wait")
    finally:
        stop(process for process, _ in running.values())
    return failures


def claim(output: Path, request: Mapping[str, Any], name: str, option: str) -> dict[str, Any]:
    """Note in a folder what its runs are of; returns the note. If it has runs already, they must be of the same.

    Args:
        name: of the note's file.
        option: of the command that names the folder, as it is typed before it: "output=" or "--output ".

    Raises:
        UserError: if a value of the request is another one there, or the folder has other files.
    """
    path = output / name
    if path.is_file():
        before: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        for key, value in request.items():
            if before.get(key) != value:
                was = f"{key}={before.get(key)}, not {value}"
                raise UserError(f"{option}{output} has runs with {was}; name a new folder")
        return before
    if output.exists() and any(output.iterdir()):
        raise UserError(f"{option}{output} has other files; name a new folder")
    output.mkdir(parents=True, exist_ok=True)
    return remember(output, dict(request), name)


def remember(output: Path, note: dict[str, Any], name: str) -> dict[str, Any]:
    """Write a folder's note; returns it."""
    (output / name).write_text(json.dumps(note, indent=2), encoding="utf-8")
    return note
