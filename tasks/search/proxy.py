"""Short trainings that compare networks: on part of the training images, scored on others that are held out."""

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning import Callback, Trainer
from lightning.fabric.utilities import move_data_to_device
from torch.optim.swa_utils import update_bn

from tasks.common.distillation import Distillation
from tasks.common.errors import UserError
from tasks.common.task import Task
from tasks.common.task_info import infos
from tasks.data.loading.batches import Batch
from tasks.data.loading.mixture import as_mixture
from tasks.data.loading.progressive import shrunk
from tasks.data.loading.splits import Splits
from tasks.data.loading.subset import Subset
from tasks.engine.build import build_data, make_trainer
from tasks.engine.learner import Learner
from tasks.engine.quiet import quiet_lightning
from tasks.engine.schedules import constant
from tasks.engine.settings import Run
from tasks.engine.teacher import make_distillation
from tasks.predict.checkpoint import best_device
from tasks.search.settings import ProxySettings

TRAINER = (  # arguments of the run's trainer that short trainings share
    *("_target_", "accelerator", "precision", "accumulate_grad_batches", "gradient_clip_val"),
    *("gradient_clip_algorithm", "deterministic", "benchmark", "detect_anomaly"),
)
NORM_BATCHES = 8  # for BatchNorm's statistics before a score: with a momentum of 0.01 they follow too slowly


class Proxy:
    """Trains and scores one network after the other, all on the same images.

    Args:
        run: of the training: optimiser, schedule, augmentation, seed.
        splits: the images to train on and those to score.
        side: see ProxySettings.

    Attributes:
        steps: training batches in an epoch, all of them full.

    Raises:
        UserError: for a data set that is too small, or a side where labels have places in the image.
    """

    def __init__(self, run: Run, splits: Splits, *, side: int | None = None) -> None:
        if splits.train is None or as_mixture(splits.train).names:
            raise UserError("a search trains on one data set, which must have training images")
        targets, batch_size = run.data.targets, run.data.batch_size
        if side is not None and any(info.placed and info.target in targets for info in infos().values()):
            raise UserError(f"search.side={side} is for image labels; {targets[0]} need image_size or a crop")
        if len(splits.train) < batch_size:
            raise UserError(f"{len(splits.train)} training images make no batch of {batch_size}: lower data.batch_size")
        quiet_lightning()
        self.run, self.side = run, side
        self.steps = len(splits.train) // batch_size
        self.trained = splits.train
        data = replace(run.data, workers=0, repeat=1, progressive=None, scales=None, decode="cpu")
        self.data = build_data(data, run.seed, splits)
        self.data.setup("fit")
        self.distillation: Distillation | None = None  # made for the first network, shared by all
        self.device = best_device(run.trainer.accelerator)

    def train(self, learner: Learner, *, epochs: int, each_epoch: Callable[[int, float], None] | None = None) -> float:
        """Train a network with the run's settings for `epochs` epochs; returns its final score.

        Args:
            each_epoch: called with every epoch's number, from 0, and score; its exceptions end the training.
        """
        self.start(learner)
        short = Short(self, settle=True, each_epoch=each_epoch)
        self.trainer(short, max_epochs=epochs, check_every=1 if each_epoch else epochs).fit(
            learner, self.data, weights_only=True
        )
        return short.score

    def fine_tune(self, learner: Learner, *, steps: int, lr: float, draw: int = 0) -> None:
        """Train a network for a few steps at a constant learning rate.

        Args:
            draw: the epoch whose images are drawn first.
        """
        self.start(learner)
        assert learner.optimizer is not None
        learner.optimizer, learner.scheduler = partial(learner.optimizer, lr=lr), partial(constant, warmup=0.0)
        epochs = draw + steps  # an epoch has a step or more
        trainer = self.trainer(Short(self), max_epochs=epochs, max_steps=steps, limit_val_batches=0)
        trainer.fit_loop.epoch_progress.current.processed = draw  # type: ignore[attr-defined]
        trainer.fit(learner, self.data, weights_only=True)

    def score(self, learner: Learner, *, settle: bool = False) -> float:
        """The task's main score on the held-out images; 0 if it has none.

        Args:
            settle: whether BatchNorm's statistics are taken afresh before.
        """
        short = Short(self, settle=settle)
        self.trainer(short).validate(learner, self.data, verbose=False)
        return short.score

    def start(self, learner: Learner) -> Task:
        """Make a network ready for training; returns its task."""
        torch.manual_seed(self.run.seed)
        ((_, task),) = learner.each_task()
        task.use_one_view()  # further passes would not tell candidates apart any better
        task.prepare(self.trained)
        if (teacher := self.run.distillation) is not None:
            self.distillation = self.distillation or make_distillation(teacher, task)
            task.distillation = self.distillation
        learner.to(self.device).train()
        return task

    def trainer(self, short: "Short", *, max_epochs: int = 1, check_every: int = 1, **limits: int) -> Trainer:
        """The run's trainer on one device, without logs and checkpoints."""
        spec = {key: value for key, value in self.run.trainer.spec.items() if key in TRAINER}
        spec |= {"devices": 1, "max_epochs": max_epochs, "num_sanity_val_steps": 0}
        spec |= {"limit_train_batches": self.steps, "limit_val_batches": 1.0, **limits}
        settings = replace(
            self.run.trainer, spec=spec, max_epochs=max_epochs, check_every=check_every, sync_batchnorm=False
        )
        return make_trainer(settings, [short])

    def batches(self, epoch: int, count: int) -> Iterator[Batch]:
        """The first training batches of an epoch, and of the next ones if it has fewer, on the device."""
        samples, order = self.data.augmented(), self.data.order()(seed=self.run.seed)
        while count > 0:
            order.set_epoch(epoch)
            for draws in islice(order, min(count, self.steps)):
                yield self.shrink(move_data_to_device(samples[draws], self.device))
            count, epoch = count - self.steps, epoch + 1

    def shrink(self, batch: Batch) -> Batch:
        """Give a batch the size at which it is trained and scored, in place."""
        if self.side is not None:
            batch["image"] = shrunk(batch["image"], self.side)
        return batch


def proxy_splits(run: Run, settings: ProxySettings, splits: Splits) -> Splits:
    """Part of the training images to train on, and others to score. The validation images are never seen.

    Raises:
        UserError: for a data set that is too small.
    """
    images, batch_size = 0 if splits.train is None else len(splits.train), run.data.batch_size
    order = np.random.default_rng((run.seed, 7)).permutation(images).tolist()
    held = round(settings.holdout * images)
    trained = order[held:][: max(1, round(settings.subset * (images - held)))]
    scored = sorted(order[:held][: settings.images])
    if min(len(scored), len(trained) // batch_size) < 1:
        raise UserError(
            f"{images} training images leave {len(scored)} to score and {len(trained)} to train on in batches "
            f"of {batch_size}: change search.holdout, search.subset or data.batch_size"
        )
    return splits._replace(train=Subset(splits.train, trained), val=Subset(splits.train, scored))


class Short(Callback):
    """What a short training or scoring does beside the Trainer.

    It shrinks images, takes BatchNorm's statistics afresh before a score, and keeps the score. Signals stay with the
    search: Lightning's handler would only note a SIGTERM.

    Args:
        settle: whether the statistics are taken afresh.
        each_epoch: see Proxy.train.

    Attributes:
        score: the task's main score; 0 if it has none.
    """

    def __init__(
        self, proxy: Proxy, *, settle: bool = False, each_epoch: Callable[[int, float], None] | None = None
    ) -> None:
        self.proxy, self.settle, self.each_epoch = proxy, settle, each_epoch
        self.score = 0.0
        self.on_sigterm = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, *_: Any) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self.on_sigterm)

    def on_validation_start(self, trainer: Trainer, learner: Any) -> None:
        self.on_train_start()
        if self.settle:
            with torch.inference_mode(False), torch.no_grad(), trainer.precision_plugin.forward_context():
                batches = self.proxy.batches(0, min(NORM_BATCHES, self.proxy.steps))
                update_bn((batch["image"] for batch in batches), learner)

    def on_train_batch_start(self, _trainer: Trainer, _learner: Any, batch: Batch, *_: Any) -> None:
        self.proxy.shrink(batch)

    def on_validation_batch_start(self, _trainer: Trainer, _learner: Any, batch: Batch, *_: Any) -> None:
        self.proxy.shrink(batch)

    def on_validation_end(self, trainer: Trainer, learner: Any) -> None:
        ((name, scores),) = learner.scores_by_task().items()
        self.score = float(scores[learner.task(name).score] or 0.0)
        if self.each_epoch is not None:
            self.each_epoch(trainer.current_epoch, self.score)
