"""The trainings of a table: each row is a sweep over seeds in its own process; what is finished already is kept."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.console import report
from tasks.common.cpu import cores
from tasks.common.errors import UserError
from tasks.config.overrides import quoted
from tasks.multitask.runs import PATIENCE, Pace, read, reason

Process = subprocess.Popen[bytes]


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

    def done(self, seed: int) -> bool:
        """Whether this seed was trained and scored."""
        return (self.at(seed) / "metrics.json").is_file()

    def command(self, seeds: Sequence[int], more: Sequence[str], *, alone: bool) -> list[str]:
        """The command that trains these seeds.

        Args:
            alone: whether nothing else trains at the same time, so that threads may be bound to cores.
        """
        return [
            *(sys.executable, "-m", f"tasks.{self.task}", "-m", *self.overrides, *more),
            *([] if alone else ["cpu.bind_threads=false"]),
            f"seed={','.join(map(str, seeds))}",
            *(f"hydra.sweep.dir={quoted(self.folder)}", "hydra.sweep.subdir=seed_${seed}"),
        ]


def folder_name(text: str) -> str:
    """A row's name as a folder's: letters, digits, dots and underscores."""
    return re.sub(r"[^\w.]+", "_", text).strip("_") or "none"


def epochs_within(minutes: float, jobs: Sequence[Job], seeds: Sequence[int], workers: int, output: Path) -> int:
    """The number of epochs, equal for all rows, with which all trainings take about so many minutes.

    An epoch of each row is timed first, as many at the same time as later.

    Raises:
        UserError: if a trial fails.
    """
    report(f"timing an epoch of {len(jobs)} rows")
    trials = [job._replace(folder=output / "trials" / job.folder.name) for job in jobs]
    run_all(trials, seeds[:1], ("trainer.max_epochs=1", "pictures=0"), workers)
    paces = []
    for trial in trials:
        used = read(trial.at(seeds[0]) / "training.json")
        paces.append(Pace(used["seconds"] - used["last_epoch_seconds"], used["last_epoch_seconds"]))
    before, epoch = (len(seeds) * sum(values) for values in zip(*paces, strict=True))
    return max(1, int((60 * minutes * min(workers, len(jobs)) - before) / epoch))


def run_all(jobs: Sequence[Job], seeds: Sequence[int], more: Sequence[str], workers: int) -> list[str]:
    """Train what is missing, several rows at the same time; returns a line for each row that failed.

    A failed row does not stop the others. However this ends, its processes end too.
    """
    waiting = [(job, missing) for job in jobs if (missing := [seed for seed in seeds if not job.done(seed)])]
    alone = min(workers, len(waiting)) == 1
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, len(cores()) // workers))}
    running: list[tuple[Process, Job, float]] = []
    failures = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                job, missing = waiting.pop(0)
                running.append((start(job.command(missing, more, alone=alone), log_of(job), environment), job, now()))
            time.sleep(0.2)
            for entry in [entry for entry in running if entry[0].poll() is not None]:
                process, job, begin = entry
                running.remove(entry)
                if process.returncode:
                    failures.append(
                        f"{job.name}: {reason(log_of(job).read_text(errors='replace'), process.returncode)}"
                    )
                    report(f"failed    {failures[-1]} ({log_of(job)})")
                else:
                    report(f"done      {job.name} in {(now() - begin) / 60:.1f} minutes; {len(waiting)} rows wait")
    finally:
        for process, _, _ in running:
            process.terminate()
        for process, _, _ in running:
            end(process)
    return failures


def now() -> float:
    """Seconds on a clock that only goes forward."""
    return time.perf_counter()


def log_of(job: Job) -> Path:
    """File with what a row's command prints."""
    return job.folder.with_suffix(".log") if not job.folder.suffix else job.folder.with_name(f"{job.folder.name}.log")


def start(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a command that writes to a log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as said:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT, env=dict(environment)
        )


def end(process: Process) -> None:
    """Wait until a terminated process has ended; kill it if it takes too long."""
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def check_output(output: Path, request: Mapping[str, Any]) -> None:
    """Note in the folder what it is for; if it was used before, for the same.

    Raises:
        UserError: if its runs are of another table, scale or length.
    """
    note = output / "papers.json"
    if note.is_file():
        before = json.loads(note.read_text())
        for key, value in request.items():
            if before.get(key) != value:
                raise UserError(
                    f"output={output} has runs with {key}={before.get(key)}, not {value}; name a new folder"
                )
    elif output.exists() and any(output.iterdir()):
        raise UserError(f"output={output} has other files; name a new folder")
    output.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(dict(request), indent=2))
