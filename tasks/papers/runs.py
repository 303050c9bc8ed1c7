"""The trainings of a table's rows: their folders, and how many epochs fit."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.processes import Pace
from tasks.common.trainings import Job, run_all

NOTE = "papers.json"  # what a folder's runs are of


def folder_name(text: str) -> str:
    """A row's name as a folder's: letters, digits, dots and underscores."""
    return re.sub(r"[^\w.]+", "_", text).strip("_") or "none"


def epochs_within(minutes: float, jobs: Sequence[Job], seeds: Sequence[int], workers: int, output: Path) -> int:
    """The number of epochs, equal for all rows, with which all trainings take about so many minutes.

    An epoch of each row is timed first, with as many rows at the same time as later; this is not part of the minutes.

    Raises:
        UserError: if a row's trial fails.
    """
    report(f"timing an epoch of {len(jobs)} rows")
    trials = [job._replace(folder=output / "trials" / job.folder.name) for job in jobs]
    failures = run_all(trials, seeds[:1], ("trainer.max_epochs=1", "pictures=0"), workers)
    if failures:
        raise UserError(f"timing an epoch failed: {'; '.join(failures)}")
    paces = [pace_of(trial.at(seeds[0])) for trial in trials]
    before, epoch = (len(seeds) * sum(values) for values in zip(*paces, strict=True))
    return max(1, int((60 * minutes * min(workers, len(jobs)) - before) / epoch))


def pace_of(run: Path) -> Pace:
    """The pace of a finished training of one epoch."""
    used = json.loads((run / "training.json").read_text(encoding="utf-8"))
    return Pace(used["seconds"] - used["last_epoch_seconds"], used["last_epoch_seconds"])
