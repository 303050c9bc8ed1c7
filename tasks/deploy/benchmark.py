"""mode=benchmark: the cost of networks and exported files, each measured in its own process, in turn; and ranked."""

import shlex
import statistics
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

from rich.progress import track

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.deploy.bench.candidates import Candidate, candidates, nothing_left, scored
from tasks.deploy.bench.device_commands import ToMeasure, write_device_folder
from tasks.deploy.bench.device_result import NAME, DeviceResult
from tasks.deploy.bench.device_rows import complete, matched, of_device
from tasks.deploy.bench.outcome import rank, write_metrics
from tasks.deploy.bench.stages import NAMES
from tasks.deploy.bench.table import publish
from tasks.deploy.bench.workers import Worker, worker
from tasks.deploy.settings import BenchmarkSettings
from tasks.engine.settings import Run

ROUNDS = 5  # turns per network, so that a slow minute of the machine affects all of them


class Opened(NamedTuple):
    """A candidate in its process, what that said of it, and the milliseconds of each stage, per run."""

    candidate: Candidate
    process: Worker
    said: dict[str, Any]
    times: list[list[float]]


def benchmark(
    run: Run,
    settings: BenchmarkSettings,
    overrides: Sequence[str],
    folder: Path,
    device: DeviceResult | None = None,
) -> None:
    """Measure and rank what `model` and `checkpoint` name, or the configured network; print, and write to the folder.

    Args:
        overrides: as typed.
        device: its times, to show beside this machine's.

    Raises:
        UserError: if nothing can be opened, built or run; files that cannot be are named and left out.
    """
    found, left_out = candidates(run, settings, overrides)
    given = {} if device is None else matched(found, device, settings.threads)
    if settings.score:
        found = kept(found, lambda candidate: scored(candidate, run.task, overrides), left_out)
    opened = measured(found, settings, left_out)
    for line in left_out:
        report(f"left out  {line}")
    rows = [row_of(each.candidate, each.said, each.times, settings) for each in opened]
    files = [
        ToMeasure(each.candidate.name, each.candidate.files[0], each.candidate.manifest)
        for each in opened
        if each.candidate.manifest is not None
    ]
    if device is not None:
        rows = of_device(rows, given, device)
        complete(device, given, found).write(folder / NAME)
    ranking = rank(rows, run.task, settings)
    publish(folder, ranking.rows)
    write_metrics(folder, ranking, len(left_out))
    for line in (*ranking.lines, *write_device_folder(folder, files, settings.threads, again(run.task, settings))):
        report(line)


def again(task: str, settings: BenchmarkSettings) -> str:
    """The command that measures the same files again."""
    paths = [str(path) for path in settings.models]
    model = paths[0] if len(paths) == 1 else f"[{','.join(paths)}]"
    threads = [] if settings.threads == 1 else [f"benchmark.threads={settings.threads}"]
    return f"python -m tasks.{task} {shlex.join(['mode=benchmark', f'model={model}', *threads])}"


def kept(found: Sequence[Candidate], step: Callable[[Candidate], Candidate], left_out: list[str]) -> list[Candidate]:
    """The candidates after a step; those that it refuses get a line.

    Raises:
        UserError: if it refuses all.
    """
    done, errors = [], []
    for candidate in found:
        try:
            done.append(step(candidate))
        except UserError as error:
            errors.append(str(error))
    if not done:
        raise UserError(errors[0]) if len(errors) == 1 else nothing_left([*left_out, *errors])
    left_out += errors
    return done


def measured(found: Sequence[Candidate], settings: BenchmarkSettings, left_out: list[str]) -> list[Opened]:
    """Open each in its own process and measure them in turn; those that cannot be run get a line.

    Raises:
        UserError: if none can be run.
    """
    quiet = not sys.stdout.isatty()
    errors: list[str] = []
    with ExitStack() as stack:
        workers = [stack.enter_context(worker(candidate.name, settings.threads)) for candidate in found]
        opened = []
        pairs = list(zip(found, workers, strict=True))
        for candidate, process in track(pairs, "opening", disable=quiet, transient=True):
            try:
                opened.append(Opened(candidate, process, process.ask(candidate.job), []))
            except UserError as error:
                errors.append(str(error))
        for _ in track(range(ROUNDS), "measuring", disable=quiet, transient=True):
            opened = [each for each in opened if runs_again(each, settings.seconds / ROUNDS, errors)]
    if not opened:
        raise UserError(errors[0]) if len(errors) == 1 else nothing_left([*left_out, *errors])
    left_out += errors
    return opened


def runs_again(opened: Opened, seconds: float, errors: list[str]) -> bool:
    """Add the times of a turn; False, and a line, if it cannot be run."""
    try:
        opened.times.extend(opened.process.ask(seconds))
    except UserError as error:
        errors.append(str(error))
        return False
    return True


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
        "outputs": "raw" if candidate.manifest is None else candidate.manifest["outputs"],
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
    return row | {"score_from": candidate.score_from} | candidate.score


def percentile(values: Sequence[float], percent: int) -> float:
    """The value below which `percent` percent of the values lie, interpolated if necessary."""
    if len(values) == 1:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
