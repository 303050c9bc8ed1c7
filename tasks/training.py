"""Training and scoring: builds the network and its data from a configuration, and writes what a run leaves behind."""

import copy
import json
import logging
import re
import signal
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.utilities.exceptions import MisconfigurationException, SIGTERMException
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from backbones.weights import load_weights
from heads.sizes import measure
from tasks.callbacks import AverageWeights, Best, Last, Pictures, Reseed, ShowProgress, StopAfter, StopOnSignal
from tasks.checkpoint import load_state, make_card, open_checkpoint, start_from, with_typed
from tasks.cpu import keep_freed_memory
from tasks.data.datamodule import DataModule
from tasks.errors import Stopped, UserError
from tasks.learner import Learner

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


def with_checkpoint(task: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The configuration of the checkpoint to resume or evaluate, with what was typed on top."""
    path = config.resume if config.mode == "train" else config.checkpoint
    if path is None:
        return config
    return with_typed(open_checkpoint(path, task)["mobilevision"], config, overrides)


def build(config: DictConfig, classes: Sequence[Any]) -> Learner:
    """Backbone, head and task as the configuration says; weights as they are initialised.

    Raises:
        UserError: for choices that do not fit together.
    """
    with told_to_the_user():
        backbone = instantiate(config.backbone)
        task = instantiate(config.task, _partial_=True)(
            features=backbone.features,
            head=instantiate(config.head),
            loss=instantiate(config.task.loss),
            classes=classes,
        )
        optimizer, scheduler = instantiate(config.optimizer), instantiate(config.scheduler)
        scheduler(optimizer([torch.nn.Parameter(torch.zeros(1))]), 1)  # a wrong value says so now, not in the training
        learner = Learner(backbone, [task], optimizer, scheduler)
    return learner.to(memory_format=torch.channels_last) if config.channels_last else learner


@contextmanager
def told_to_the_user() -> Iterator[None]:
    """Errors of what the configuration builds become one line: their root's message, with where it was built.

    Raises:
        UserError: instead of them.
    """
    try:
        yield
    except UserError:
        raise
    except (
        ValueError,
        TypeError,
        RuntimeError,
        ImportError,
        InstantiationException,
        MisconfigurationException,
    ) as error:
        where = re.search(r"full_key: (\S+)", str(error))
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        if isinstance(root, ImportError) and "tensorboard" in str(root).lower():
            raise UserError('logger=tensorboard needs: pip install "mobilevision[tensorboard]"') from error
        message = " ".join(str(root).split()) or type(root).__name__
        raise UserError(f"{where[1]}: {message}" if where else message) from error


def run(task: str, config: DictConfig, dataset: Any, folder: Path) -> None:
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
    learner = build(config, dataset.classes)
    with told_to_the_user():
        data = DataModule(
            dataset.train() if config.mode == "train" else None,
            dataset.val(),
            augment={name: instantiate(transform) for name, transform in config.data.augment.items()},
            seed=config.seed,
            **{key: value for key, value in config.data.items() if key != "augment"},
        )
    learner.card = make_card(task, config, {name: entry.card() for name, entry in learner.each_task()})
    if config.mode == "evaluate":
        load_state(learner, open_checkpoint(config.checkpoint, task), config.checkpoint)
    else:
        prepare(task, config, learner)
        describe(learner, data)
        data.try_augmentation()
        for _, entry in learner.each_task():
            entry.prepare(data.train)
        train(config, learner, data, folder)
        checkpoints = folder / "checkpoints"
        written = [checkpoints / "best.ckpt", checkpoints / "last.ckpt", Path(str(config.resume))]
        path = next(path for path in written if path.is_file())  # the best, if there was a validation
        load_state(learner, open_checkpoint(path, task), path)
    score(config, learner, data, folder)


def prepare(task: str, config: DictConfig, learner: Learner) -> None:
    """Weights to start from, with a report of what was loaded."""
    try:
        if config.weights is not None:
            report(f"backbone from {load_weights(learner.backbone, config.weights)}")
    except ValueError as error:
        raise UserError(str(error)) from error
    if config.checkpoint is not None:
        new = start_from(learner, open_checkpoint(config.checkpoint, task), config.checkpoint)
        report(
            f"weights from {config.checkpoint}" + (f"; made anew for other classes: {', '.join(new)}" if new else "")
        )


def train(config: DictConfig, learner: Learner, data: DataModule, folder: Path) -> None:
    """Fit, leaving best.ckpt and last.ckpt in the folder."""
    checkpoints = folder / "checkpoints"
    main_score = learner.each_task()[0][1].score
    stop = StopOnSignal(checkpoints / "last.ckpt")
    callbacks = [
        *([AverageWeights(config.ema)] if config.ema is not None else []),
        *([StopAfter(config.stop_after)] if config.stop_after is not None else []),
        Reseed(config.seed),
        ShowProgress(main_score),
        Best(checkpoints, f"val/{main_score}", config.resume),
        Last(checkpoints),
        stop,
    ]
    with told_to_the_user():
        trainer = make_trainer(config, callbacks, instantiate(config.logger) if config.get("logger") else False)
    trainer.fit(learner, data, ckpt_path=config.resume, weights_only=True)
    if stop.received:
        raise Stopped(stop.received, checkpoints / "last.ckpt")


def score(config: DictConfig, learner: Learner, data: DataModule, folder: Path) -> None:
    """Score the validation images and write metrics.json and pictures."""
    pictures = [Pictures(folder / "pictures", config.pictures, len(data.val))] if config.pictures else []
    with told_to_the_user():
        trainer = make_trainer(config, pictures, logger=False)
    trainer.limit_val_batches = 1.0  # what is published is the score of all images
    start = time.perf_counter()
    try:
        trainer.validate(learner, data, verbose=False)
    except SIGTERMException:
        raise Stopped(signal.SIGTERM) from None
    if trainer.is_global_zero:
        scores = learner.scores | {"seconds": round(time.perf_counter() - start, 3)}
        (folder / "metrics.json").write_text(json.dumps(scores, indent=2) + "\n")
        show(scores)
        report(f"metrics   {folder / 'metrics.json'}")
        if pictures:
            report(f"pictures  {folder / 'pictures'}")
        if config.mode == "train":
            report(f"weights   {folder / 'checkpoints' / 'best.ckpt'}")


def make_trainer(config: DictConfig, callbacks: Sequence[Any], logger: Any) -> lightning.Trainer:
    """The trainer of the configuration, without what Lightning would add by itself.

    It validates at least as often as asked for, and always behind the last epoch.
    """
    epochs, every = config.trainer.max_epochs, config.trainer.check_val_every_n_epoch
    return instantiate(
        config.trainer,
        check_val_every_n_epoch=max(n for n in range(1, every + 1) if epochs % n == 0),
        callbacks=list(callbacks),
        logger=logger,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(callback, Best) for callback in callbacks),
        use_distributed_sampler=False,  # our samplers deal the batches out
        _convert_="all",
    )


def describe(learner: Learner, data: DataModule) -> None:
    """One line each for the network and the data."""
    height, width = data.val.size(0)
    backbone = copy.deepcopy(learner.backbone).to("meta")
    for name, task in learner.each_task():
        size = measure(backbone, copy.deepcopy(task.head).to("meta"), height, width)
        report(
            f"{name}: {type(learner.backbone).__name__} + {type(task.head).__name__}, {size.params / 1e6:.2f}M params, "
            f"{size.madds / 1e9:.2f}G multiply-adds at {height}×{width}"
        )
    assert data.train is not None
    report(f"data: {len(data.train):,} training and {len(data.val):,} validation images")


def show(scores: dict[str, Any]) -> None:
    """A table of the scores: per-class ones first, the rest below."""
    table = Table("class", box=None)
    table.add_column("IoU", justify="right")
    for key, value in scores.items():
        if "iou/" in key:
            table.add_row(key.rpartition("iou/")[2], "–" if value is None else f"{value:.4f}")
    if table.row_count:
        Console().print(table)
    rest = (f"{key} {value:.4f}" for key, value in scores.items() if "iou/" not in key and isinstance(value, float))
    report(f"{'  '.join(rest)}  images {scores['images']}")


def report(line: str) -> None:
    """Print from the first process only."""
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        print(line, file=sys.stdout, flush=True)
