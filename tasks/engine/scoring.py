"""Scores of all validation images, and the files they are written to."""

import json
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import lightning
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torchmetrics import Metric

from tasks.common.console import report
from tasks.common.errors import Stopped
from tasks.common.ranks import is_first
from tasks.common.task import Task
from tasks.common.writing import write_text
from tasks.data.loading.datamodule import DataModule
from tasks.engine.build import make_trainer
from tasks.engine.learner import Learner
from tasks.engine.pictures import Pictures
from tasks.engine.prepare import Prepared
from tasks.engine.report import WriteReport, facts, note_curves
from tasks.engine.settings import Run, TrainerSettings
from tasks.engine.summary import print_scores
from tasks.engine.weights import load_for_inference
from tasks.report.write import finish, note


def evaluate(run: Run, prepared: Prepared, folder: Path) -> None:
    """Score a checkpoint or weights.

    Raises:
        UserError: for weights that do not fit.
    """
    learner, data, _, costs = prepared
    load_for_inference(run, learner)
    if is_first():
        note(folder, facts(learner, data, costs))
    score(run, learner, data, costs, folder)


def score(
    run: Run,
    learner: Learner,
    data: DataModule,
    costs: dict[str, Any],
    folder: Path,
    page: WriteReport | None = None,
    end: Mapping[str, str] = MappingProxyType({"state": "finished"}),
) -> dict[str, Any]:
    """Score the validation images and write metrics.json, network.json and pictures; returns the scores.

    Args:
        page: of the training that ends with it.
        end: noted for the page when all is written.
    """
    if (limit := run.trainer.spec.get("limit_val_batches", 1.0)) != 1.0 or isinstance(limit, int):
        report(f"scoring all {len(data.val):,} images (trainer.limit_val_batches holds within training only)")
    pictures = [Pictures(folder / "pictures", learner, run.pictures, data.val_numbers)] if run.pictures else []
    scores = scored(run.trainer, learner, data, [*pictures, *([] if page is None else [page])])
    if learner.trainer.is_global_zero:
        write_text(folder / "network.json", json.dumps(costs, indent=2) + "\n")
        write_text(folder / "metrics.json", json.dumps(scores, indent=2) + "\n")
        print_scores(scores)
        report(f"metrics   {folder / 'metrics.json'}")
        for name, metric in learner.each_metric():
            drawn = pictures[0].folders[name] if pictures else None
            write_results(learner.task(name), metric, folder / name if len(learner.tasks) > 1 else folder, drawn)
            note_curves(folder, name, learner.task(name).curves(metric))
        if pictures:
            report(f"pictures  {folder / 'pictures'}")
        report(finish(folder, **end))
    return scores


def write_results(task: Task, metric: Metric, folder: Path, pictures: Path | None) -> None:
    """Write a head's files; of several heads each has a folder for them, because two may write files of one name."""
    folder.mkdir(exist_ok=True)
    for line in task.results(metric, folder, pictures):
        report(line)
    if not any(folder.iterdir()):
        folder.rmdir()


def scored(
    settings: TrainerSettings, learner: Learner, data: DataModule, callbacks: Sequence[lightning.Callback] = ()
) -> dict[str, Any]:
    """Scores of all validation images, as in metrics.json.

    Raises:
        Stopped: if a signal ended it.
    """
    trainer = make_trainer(settings, callbacks)
    trainer.limit_val_batches = 1.0  # published scores are of all images
    start = time.perf_counter()
    try:
        trainer.validate(learner, data, verbose=False)
    except SIGTERMException:
        raise Stopped(signal.SIGTERM) from None
    return learner.scores() | {"seconds": round(time.perf_counter() - start, 3)}
