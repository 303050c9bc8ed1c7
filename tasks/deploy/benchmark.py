"""mode=benchmark: the cost of networks and exported files, each measured in its own process, in turn."""

import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.progress import track

from tasks.deploy.bench.candidates import Candidate, candidates
from tasks.deploy.bench.stages import NAMES
from tasks.deploy.bench.table import publish
from tasks.deploy.bench.workers import worker
from tasks.deploy.settings import BenchmarkSettings
from tasks.engine.settings import Run

ROUNDS = 5  # turns per network, so that a slow minute of the machine affects all of them


def benchmark(run: Run, settings: BenchmarkSettings, overrides: Sequence[str], folder: Path) -> None:
    """Measure what `model` and `checkpoint` name, or the configured network; print, and write to the folder.

    Args:
        overrides: as typed.

    Raises:
        UserError: if something cannot be opened, built or run.
    """
    found = candidates(run, settings, overrides)
    quiet = not sys.stdout.isatty()
    times: list[list[list[float]]] = [[] for _ in found]
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(candidate.name, settings.threads)) for candidate in found]
        pairs = track(zip(workers, found, strict=True), "opening", len(found), disable=quiet, transient=True)
        opened = [each.ask(candidate.job) for each, candidate in pairs]
        for _ in track(range(ROUNDS), "measuring", disable=quiet, transient=True):
            for each, own in zip(workers, times, strict=True):
                own += each.ask(settings.seconds / ROUNDS)
    publish(folder, [row_of(*each, settings) for each in zip(found, opened, times, strict=True)])


def row_of(
    candidate: Candidate, opened: dict[str, Any], times: Sequence[Sequence[float]], settings: BenchmarkSettings
) -> dict[str, Any]:
    """One line of the table.

    Args:
        opened: reported by the measuring process.
        times: milliseconds of each stage, per run.
    """
    photo = settings.photo
    row = {
        "name": candidate.name,
        **{key: opened[key] for key in ("runtime", "precision", "device")},
        "threads": settings.threads,
        "photo": photo if isinstance(photo, str) else "×".join(map(str, photo)),
        **{key: opened[key] for key in ("height", "width")},
        **candidate.costs(opened["height"], opened["width"]),
        "file_bytes": candidate.bytes(),
        "memory_bytes": opened["memory"],
        "runs": len(times),
    }
    stages = dict(zip(NAMES, zip(*times, strict=True), strict=True)) | {"whole": [sum(run) for run in times]}
    for name, values in stages.items():
        for percent in (50, 95):
            row[f"{name}_p{percent}_ms"] = round(percentile(values, percent), 3)
    return row | candidate.score


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which `percent` percent of the values lie, interpolated if necessary."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
