"""A training in its loggers: metrics.csv, and what `logger=…` chooses beside it."""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger, Logger

from tasks.common.console import report
from tasks.common.ranks import is_first
from tasks.common.writing import write_text
from tasks.config.tree import Spec, resolved
from tasks.config.unread import as_built
from tasks.engine.build import user_errors
from tasks.engine.instantiate import make
from tasks.engine.loggers.tracker import Tracker
from tasks.engine.settings import Run

FILE = "logger.json"  # in the run's folder: {"wandb": "1x2y3z"}, from which a resumed training goes on in the same run
FINAL = "final"  # prefix of the scores in metrics.json


class Tracking(Callback):
    """Passes the configuration, the final scores and the pictures to the loggers; curves are Lightning's.

    Args:
        run: whose configuration is logged.
        folder: of the run.
        loggers: for the trainer.
        rows: of the metrics.csv of the training that this one resumes; those before it are kept.
    """

    def __init__(
        self, run: Run, folder: Path, loggers: Sequence[Logger], rows: Sequence[Mapping[str, str]] = ()
    ) -> None:
        self.run, self.folder, self.loggers, self.rows = run, folder, loggers, rows
        self.step = 0

    @property
    def trackers(self) -> list[Tracker]:
        """The loggers that take more than curves."""
        return [logger for logger in self.loggers if isinstance(logger, Tracker)]

    def on_fit_start(self, _trainer: Trainer, _module: LightningModule) -> None:
        for tracker in self.trackers:
            config = as_built(resolved(self.run.stored, self.run.output_dir))
            tracker.log_configuration(config)
            if tracker.run_id is not None and is_first():
                write_text(self.folder / FILE, json.dumps({tracker.tool: tracker.run_id}) + "\n")

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        earlier = [row for row in self.rows if row["step"].isdecimal() and int(row["step"]) < trainer.global_step]
        for logger in self.loggers:
            if isinstance(logger, CSVLogger) and is_first():
                logger.experiment.metrics[:0] = [{key: value for key, value in row.items() if value} for row in earlier]

    def on_train_end(self, trainer: Trainer, _module: LightningModule) -> None:
        self.step = trainer.global_step

    def results(self, scores: Mapping[str, Any]) -> None:
        """Log the scores of metrics.json as `final/mIoU` and so on, and the pictures in the run's folder."""
        numbers = {f"{FINAL}/{key}": float(value) for key, value in scores.items() if value is not None}
        paths = [*self.folder.glob("*.png"), *(self.folder / "pictures").rglob("*.png")]
        pictures = {picture_name(path, self.folder): path for path in sorted(paths)}
        for tracker in self.trackers:
            tracker.log_results(numbers, pictures, self.step)

    def close(self, failed: bool) -> None:
        """End the runs."""
        for tracker in self.trackers:
            tracker.close(failed)


def picture_name(path: Path, folder: Path) -> str:
    """A picture's name in the tools: pictures/ and its path without the suffix."""
    return f"pictures/{path.relative_to(folder).with_suffix('').as_posix().removeprefix('pictures/')}"


@contextmanager
def tracking(run: Run, folder: Path) -> Iterator[Tracking]:
    """The loggers of a training; their runs end with the block, as failed ones if it raises.

    Args:
        folder: of the run.

    Raises:
        UserError: for a logger that cannot be built.
    """
    found: list[Logger] = []
    rows = earlier_rows(run.source.resume) if run.trainer.logger else []  # before a logger replaces the file
    if run.trainer.logger:
        spec = placed(run.trainer.logger, run.output_dir, folder)
        run_id = earlier_run(run.source.resume, str(spec["_target_"]))
        with user_errors():
            own = make(spec, "logger", **({} if run_id is None else {"run_id": run_id}))
        found = [own] if isinstance(own, CSVLogger) else [CSVLogger(folder, name="", version=""), own]
    tracked = Tracking(run, folder, found, rows)
    failed = True
    try:
        yield tracked
        failed = False
    finally:
        tracked.close(failed)
    for tracker in tracked.trackers:
        report(f"logged    {tracker.how_to_look()}")


def placed(spec: Spec, output_dir: str, folder: Path) -> Spec:
    """A logger's spec that writes to a training's own folder: a search has several below the command's."""
    return {key: str(folder) if key == "save_dir" and value == output_dir else value for key, value in spec.items()}


def earlier_rows(resume: str | None) -> list[dict[str, str]]:
    """The rows of metrics.csv beside the checkpoints that a training goes on from; [] without any."""
    path = Path(str(resume)).parent.parent / "metrics.csv"
    if resume is None or not path.is_file():
        return []
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        return [row for row in csv.DictReader(file) if None not in row and row.get("step") is not None]


def earlier_run(resume: str | None, target: str) -> str | None:
    """The run in this logger's tool that a resumed training belongs to; None if there is none."""
    path = Path(str(resume)).parent.parent / FILE
    if resume is None or not path.is_file():
        return None
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        found = note.get(target.split(".")[-2]) if isinstance(note, dict) else None
    except ValueError:
        return None
    return found if isinstance(found, str) and re.fullmatch(r"\w{1,64}", found, re.ASCII) else None
