"""What a training notes for its page (tasks/report), and the page itself, written while training goes on."""

import json
import platform
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import CSVLogger

from tasks.common.errors import Stopped, UserError
from tasks.common.records import FOLDER
from tasks.common.writing import write_text
from tasks.data.loading.datamodule import DataModule
from tasks.engine.learner import Learner
from tasks.report.write import note, write_report

PACKAGES = ("mobilevision", "torch", "torchvision", "lightning")
SHARE = 0.01  # of the training time that pages may cost


def facts(learner: Learner, data: DataModule, costs: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same throughout a run."""
    return {
        "format": 1,
        "started": now(),
        "network": {
            name: f"{type(learner.backbone).__name__} + {task.head.title}" for name, task in learner.each_task()
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


def now() -> str:
    """The time, to seconds."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def device_name(trainer: Trainer) -> str:
    """What a process computes on, and how many there are."""
    device = trainer.strategy.root_device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type.upper()}"
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    return name + threads + (f" × {trainer.world_size}" if trainer.world_size > 1 else "")


class WriteReport(Callback):
    """Writes report.html after epochs, on the first process: after the first one, and then as often as costs little.

    Args:
        folder: of the run.
        entries: of its record, see facts().
    """

    def __init__(self, folder: Path, entries: Mapping[str, Any]) -> None:
        self.folder, self.entries = folder, dict(entries)
        self.begin = self.written = time.perf_counter()
        self.cost = 0.0  # seconds of the last page
        self.started = False

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        self.begin = self.epoch_begin = time.perf_counter()
        self.started = True
        if trainer.is_global_zero:
            note(self.folder, {**self.entries, "state": "training", "device": device_name(trainer)})

    def on_train_epoch_start(self, *_: Any) -> None:
        self.epoch_begin = time.perf_counter()

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        since = time.perf_counter() - self.written
        if trainer.is_global_zero and since * SHARE >= self.cost:
            for logger in trainer.loggers:
                if isinstance(logger, CSVLogger):
                    logger.save()  # it keeps the last rows in memory
            self.write(epoch=trainer.current_epoch + 1, epoch_seconds=time.perf_counter() - self.epoch_begin)

    def write(self, **entries: Any) -> None:
        """Note entries and write the page; what is wrong with a page stops no training."""
        begin = time.perf_counter()
        seconds = {"seconds": round(begin - self.begin, 1), "updated": now()}
        try:
            note(self.folder, {**entries, **seconds})
            write_report(self.folder)
        except UserError as error:
            print(f"no report: {error}", flush=True)
        self.written = time.perf_counter()
        self.cost = self.written - begin

    def on_exception(self, trainer: Trainer, _module: LightningModule, exception: BaseException) -> None:
        if trainer.is_global_zero and self.started:  # what is refused before leaves an empty folder
            stopped = isinstance(exception, Stopped | KeyboardInterrupt)
            reason = f"{type(exception).__name__}: {exception}" if str(exception) else type(exception).__name__
            self.write(**({"state": "stopped"} if stopped else {"state": "failed", "failure": reason}))


def note_curves(folder: Path, head: str, curves: Mapping[str, Any]) -> None:
    """Write what the page draws of a head's predictions, if there is anything."""
    path = folder / FOLDER / head / "curves.json"
    path.unlink(missing_ok=True)  # of an earlier evaluation into this folder
    if curves:
        write_text(path, json.dumps(curves, ensure_ascii=False, separators=(",", ":")) + "\n")


def finish(folder: Path, **entries: Any) -> str:
    """Write the page of a run that has ended; returns a line with its path, or with what was wrong."""
    try:
        note(folder, {**entries, "updated": now()})
        return f"report    {write_report(folder)}"
    except UserError as error:
        return f"no report: {error}"
