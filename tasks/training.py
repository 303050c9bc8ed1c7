"""Training and scoring: what a run does, and what it leaves behind."""

import copy
import json
import logging
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from omegaconf import DictConfig

from tasks.build import build, build_data, make_trainer, told_to_the_user
from tasks.callbacks import AverageWeights, Best, Last, NoteBroken, Reseed, StopAfter, StopDiverged, StopOnSignal
from tasks.checkpoint import load_state, make_card, open_checkpoint
from tasks.classify.task import ClassifyTask
from tasks.cpu import keep_freed_memory
from tasks.data.datamodule import DataModule
from tasks.data.splits import Splits
from tasks.errors import Stopped, UserError
from tasks.learner import Learner
from tasks.progress import Pictures, ShowProgress
from tasks.report import describe, report, show
from tasks.start import complete, start

CHATTER = (  # warnings that do not apply here, and one of Lightning about itself
    "does not have many workers",
    "smaller than the logging interval",
    "Checkpoint directory",
    "Experiment logs directory",
    "your dataloader is not resumable",  # it is, by its sampler
    "LeafSpec",
    "sync_dist",  # the scores come from metrics that are synchronised already
)
logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def run(task: str, config: DictConfig, splits: Splits, folder: Path) -> None:
    """Train (and score the best weights), or only score.

    Raises:
        UserError: before any training, for what does not fit.
        Stopped: when a signal ended the training.
    """
    if config.cpu.keep_freed_memory:
        keep_freed_memory()
    for chatter in CHATTER:
        warnings.filterwarnings("ignore", message=f".*{chatter}.*")
    lightning.seed_everything(config.seed, verbose=False)
    learner = build(config, splits.classes)
    data = build_data(config, splits)
    learner.card = make_card(task, config, {name: entry.card() for name, entry in learner.each_task()})
    with told_to_the_user():  # a network may refuse the images' size
        costs = describe(learner, data)
    if config.mode == "evaluate":
        complete(task, config, learner)
    else:
        start(task, config, learner)
        if config.get("distill") and config.distill.teacher is not None:
            give_teacher(config, learner)
        try_step(learner, data.try_augmentation())
        for _, entry in learner.each_task():
            entry.prepare(data.train)
        train(config, learner, data, splits, folder)
        checkpoints = folder / "checkpoints"
        written = [checkpoints / "best.ckpt", checkpoints / "last.ckpt", Path(str(config.resume))]
        path = next(path for path in written if path.is_file())  # the best, if there was a validation
        load_state(learner, open_checkpoint(path, task), path)
        report(f"scoring   {path}")
    score(config, learner, data, costs, folder)


def try_step(learner: Learner, batch: Any) -> None:
    """One training step on a few images with a copy of the network, so that what cannot work says so before training.

    Raises:
        UserError: for images of a size that network or teacher refuse, a loss that refuses the outputs, …
    """
    with told_to_the_user(), torch.random.fork_rng():
        trial = copy.deepcopy(learner).cpu().train()
        try:
            for name, outputs in trial(batch["image"]).items():
                trial.each(name).loss(outputs, batch)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError("a map of 1×1 cannot be normalised with data.batch_size=1; take 2 or more") from error


def give_teacher(config: DictConfig, learner: Learner) -> None:
    """Let the classification learn from the configuration's teacher as well."""
    from tasks.teacher import make_distillation

    for _, task in learner.each_task():
        if isinstance(task, ClassifyTask):
            task.distillation = make_distillation(config, task.class_names)


def train(config: DictConfig, learner: Learner, data: DataModule, splits: Splits, folder: Path) -> None:
    """Fit, leaving best.ckpt and last.ckpt in the folder."""
    checkpoints = folder / "checkpoints"
    main_score = learner.each_task()[0][1].score
    stop = StopOnSignal(checkpoints / "last.ckpt")
    callbacks = [
        *([AverageWeights(config.ema)] if config.ema is not None else []),
        *([StopAfter(config.stop_after)] if config.stop_after is not None else []),
        Reseed(config.seed),
        NoteBroken(config.data.max_broken, splits.broken),
        StopDiverged(),
        ShowProgress(main_score),
        Best(checkpoints, f"val/{main_score}", config.resume),
        Last(checkpoints),
        stop,
    ]
    trainer = make_trainer(config, callbacks, config.get("logger"))
    trainer.fit(learner, data, ckpt_path=config.resume, weights_only=True)
    if stop.received:
        raise Stopped(stop.received, checkpoints / "last.ckpt")


def score(config: DictConfig, learner: Learner, data: DataModule, costs: dict[str, Any], folder: Path) -> None:
    """Score the validation images and write metrics.json, network.json and pictures."""
    pictures = [Pictures(folder / "pictures", learner, config.pictures, len(data.val))] if config.pictures else []
    trainer = make_trainer(config, pictures, logger=None)
    trainer.limit_val_batches = 1.0  # what is published is the score of all images
    start = time.perf_counter()
    try:
        trainer.validate(learner, data, verbose=False)
    except SIGTERMException:
        raise Stopped(signal.SIGTERM) from None
    if trainer.is_global_zero:
        (folder / "network.json").write_text(json.dumps(costs, indent=2) + "\n")
        scores = learner.scores | {"seconds": round(time.perf_counter() - start, 3)}
        (folder / "metrics.json").write_text(json.dumps(scores, indent=2) + "\n")
        show(scores)
        report(f"metrics   {folder / 'metrics.json'}")
        for name, metric in learner.each_metric():
            for line in learner.each(name).results(metric, folder):
                report(line)
        if pictures:
            report(f"pictures  {folder / 'pictures'}")
