"""What a training notes for its page (tasks/report), and the page itself, written while training goes on."""

import json
import platform
import time
import traceback
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from tasks.common.console import report
from tasks.common.errors import Stopped, UserError
from tasks.common.ranks import is_first
from tasks.common.records import FOLDER, Record, write_record
from tasks.common.writing import write_text
from tasks.config.batch import BatchPlan
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.label_counts import label_counts
from tasks.engine.learner import Learner
from tasks.report.process import this_process
from tasks.report.write import PAGE, note, now, write_report

PACKAGES = ("mobilevision", "torch", "torchvision", "lightning")
SHARE = 0.01  # of the training time that pages may cost
OFTEN = 60  # seconds between pages within an epoch
SHEETS, EACH = 2, 8  # training batches that are shown, and images of each


def facts(learner: Learner, data: DataModule, costs: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same throughout a run."""
    rounded = "" if learner.rounding is None else f", rounded as int8 files of {learner.rounding.form}"
    return {
        "format": 1,
        "started": now(),
        "network": {
            name: f"{type(learner.backbone).__name__} + {task.head.title}{rounded}"
            for name, task in learner.each_task()
        },
        "costs": dict(costs),
        "data": {"train": 0 if data.train is None else len(data.train), "val": len(data.val)},
        "versions": {"Python": platform.python_version(), **versions()},
    }


def versions() -> dict[str, str]:
    """Versions of the packages that decide what a training gives."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # run from its source
            continue
    return found


def device_name(trainer: Trainer) -> str:
    """What a process computes on, and how many there are."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type.upper()}"
    count = torch.get_num_threads()
    threads = f", {count} thread{'' if count == 1 else 's'}" if device.type == "cpu" else ""
    return name + threads + (f" × {trainer.world_size}" if trainer.world_size > 1 else "")


def batch_text(trainer: Trainer) -> str:
    """How the images of a step are shared out."""
    data: Any = trainer.datamodule  # type: ignore[attr-defined]
    return BatchPlan(data.batch_size, trainer.world_size, trainer.accumulate_grad_batches, whole=True).text()


class WriteReport(Callback):
    """Writes report.html after epochs, on the first process: after the first one, and then as often as costs little.

    Args:
        folder: of the run.
        entries: of its record, see facts().
        labels: how often they occur, by head, see labels_of().
    """

    def __init__(self, folder: Path, entries: Mapping[str, Any], labels: Mapping[str, Any] | None = None) -> None:
        self.folder, self.entries, self.labels = folder, dict(entries), dict(labels or {})
        self.begin = self.written = time.perf_counter()
        self.cost = 0.0  # seconds of the last page
        self.epochs = 0  # that are done
        self.started = self.past_first = self.broken = False
        self.batches = 0  # of which images were collected
        self.sheets: dict[str, Record] = {}

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        self.begin = self.epoch_begin = time.perf_counter()
        self.started = True
        self.epochs = trainer.current_epoch
        if trainer.is_global_zero:
            before = {"failure": None, "why": None}  # of a run that this one goes on with
            own: dict[str, Any] = {"device": device_name(trainer), "batch": batch_text(trainer)}
            own |= {"process": this_process(), "updated": now()}
            note(self.folder, {**self.entries, **before, **own, "state": "training"})
            for name, counts in self.labels.items():
                text = json.dumps(counts, ensure_ascii=False, separators=(",", ":"))
                write_text(self.folder / FOLDER / name / "labels.json", text + "\n")

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, _o: Any, batch: Any, _i: int) -> None:
        if not trainer.is_global_zero:
            return
        if self.batches < SHEETS:
            self.batches += 1
            self.collect(module, batch)
            if self.batches == SHEETS:
                self.write_sheets()
        elif self.is_due():
            self.write_now(trainer)

    def on_validation_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """A long validation has pages, too, so that one who reads them sees that the run is alive."""
        if self.started and trainer.is_global_zero and self.is_due():
            self.write()

    def interval(self) -> float:
        """Seconds between pages within an epoch."""
        return max(OFTEN, self.cost / SHARE)

    def is_due(self) -> bool:
        return time.perf_counter() - self.written > self.interval()

    def collect(self, learner: LightningModule, batch: Mapping[str, Any]) -> None:
        """Keep a few images of a training batch with their labels, as the heads have learned from them."""
        assert isinstance(learner, Learner)
        if len(learner.tasks) == 1:
            with torch.random.fork_rng():
                batch = learner.each_task()[0][1].mix(batch, 0.0)
        for name, task in learner.each_task():
            if name in learner.inactive_heads or task.target not in batch:
                continue
            rows = range(len(batch["image"])) if "rows" not in batch else batch["rows"].get(task.target, [])
            few = [int(row) for row in rows][:EACH]
            names = [batch["name"][row] for row in few]
            record = task.sheet(batch["image"][few], batch[task.target][: len(few)], names) if few else None
            if record is not None:
                before = self.sheets[name].pictures if name in self.sheets else []
                self.sheets[name] = Record(record.about, [*before, *record.pictures])

    def write_sheets(self) -> None:
        """Write the collected images, and the first page, before the first epoch ends."""
        for name, record in self.sheets.items():
            write_record(record, self.folder / FOLDER / name / "augmented.json")
        self.sheets = {}
        self.write()
        report(f"report    {self.folder / PAGE} follows the training (open it in a browser)")

    def on_train_epoch_start(self, *_: Any) -> None:
        self.epoch_begin = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if self.sheets:
            self.write_sheets()
        self.epochs = trainer.current_epoch + 1
        since = time.perf_counter() - self.written
        if trainer.is_global_zero and (since * SHARE >= self.cost or not self.past_first):
            self.past_first = True
            self.write_now(trainer, epoch_seconds=time.perf_counter() - self.epoch_begin)

    def write_now(self, trainer: Trainer, **entries: Any) -> None:
        """Write the page with all that was logged so far."""
        save_curves(trainer)
        self.write(**entries)

    def write(self, **entries: Any) -> None:
        """Note entries and write the page; what is wrong with a page stops no training, not even a bug of ours."""
        if self.broken:
            return
        begin = time.perf_counter()
        seconds = {"seconds": round(begin - self.begin, 1), "updated": now(), "interval": round(self.interval())}
        try:
            note(self.folder, {"epoch": self.epochs, **entries, **seconds})
            write_report(self.folder)
        except UserError as error:
            report(f"no report: {error}")
        except Exception:
            traceback.print_exc()
            report("no further reports: the traceback above is a bug; the training goes on")
            self.broken = True
        self.written = time.perf_counter()
        self.cost = self.written - begin

    def on_exception(self, trainer: Trainer, _module: LightningModule, exception: BaseException) -> None:
        if trainer.is_global_zero:
            save_curves(trainer)
            self.ended(exception)

    def ended(self, exception: BaseException) -> None:
        """Say on the page that the run was stopped, or why it failed; only in the first process."""
        if self.started and is_first():  # what is refused before leaves an empty folder
            stopped = isinstance(exception, Stopped | KeyboardInterrupt)
            reason = f"{type(exception).__name__}: {exception}" if str(exception) else type(exception).__name__
            how = {"state": "interrupted", "why": str(exception) or "Ctrl-C"}
            self.write(**(how if stopped else {"state": "failed", "failure": reason}))


def save_curves(trainer: Trainer) -> None:
    """Write what was logged to metrics.csv: its logger keeps the last rows in memory."""
    for logger in trainer.loggers:
        if isinstance(logger, CSVLogger):
            logger.save()


def labels_of(learner: Learner, data: DataModule) -> dict[str, Any]:
    """How often each head's labels occur, as far as it is known without reading files."""
    tasks = {name: task for name, task in learner.each_task() if name not in learner.inactive_heads}
    return {name: counts for name, task in tasks.items() if (counts := label_counts(task, data))}


def note_curves(folder: Path, head: str, curves: Mapping[str, Any]) -> None:
    """Write what the page draws of a head's predictions, if there is anything."""
    path = folder / FOLDER / head / "curves.json"
    path.unlink(missing_ok=True)  # of an earlier evaluation into this folder
    if curves:
        write_text(path, json.dumps(curves, ensure_ascii=False, separators=(",", ":")) + "\n")
