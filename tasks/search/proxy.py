"""Short trainings that tell networks apart: on part of the training images, scored on others that are held out."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
import torch
from lightning.fabric.utilities import move_data_to_device
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import update_bn

from tasks.common.distillation import Distillation
from tasks.common.errors import UserError
from tasks.common.task import Task
from tasks.common.task_info import infos
from tasks.data.loading.batches import Batch, EvalDataset
from tasks.data.loading.mixture import as_mixture
from tasks.data.loading.progressive import shrunk
from tasks.data.loading.samplers import EvalBatches
from tasks.data.loading.splits import Splits
from tasks.data.loading.subset import Subset
from tasks.engine.build import build_data
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.teacher import make_distillation
from tasks.predict.checkpoint import best_device
from tasks.search.settings import ProxySettings

NORM_BATCHES = 8  # that BatchNorm's statistics are taken from before a score: a momentum of 0.01 is too slow for them


class Proxy:
    """Trains and scores one network after the other, all on the same images. The validation images are never seen.

    Args:
        run: of the training: optimiser, schedule, augmentation, seed.
        settings: which of the images are trained on, and which are scored.
        splits: the data set; only its training images are used.

    Attributes:
        steps: optimiser steps of an epoch.

    Raises:
        UserError: for a data set that is too small, or a side where labels have places in the image.
    """

    def __init__(self, run: Run, settings: ProxySettings, splits: Splits) -> None:
        if splits.train is None or as_mixture(splits.train).names:
            raise UserError("a search trains on one data set, which must have training images")
        side, targets, batch_size = settings.side, run.data.targets, run.data.batch_size
        if side is not None and any(info.placed and info.target in targets for info in infos().values()):
            raise UserError(f"search.side={side} is for image labels; {targets[0]} need image_size or a crop")
        order = np.random.default_rng((run.seed, 7)).permutation(len(splits.train)).tolist()
        held = round(settings.holdout * len(order))
        trained = order[held:][: max(1, round(settings.subset * (len(order) - held)))]
        scored = sorted(order[:held][: settings.images])
        if min(len(scored), len(trained) // batch_size) < 1:
            raise UserError(
                f"{len(order)} training images leave {len(scored)} to score and {len(trained)} to train on in batches "
                f"of {batch_size}: change search.holdout, search.subset or data.batch_size"
            )
        self.trained = Subset(splits.train, trained)
        self.run, self.side = run, side
        self.data = build_data(run.data, run.seed, Splits(splits.classes, self.trained, Subset(splits.train, scored)))
        self.data.setup("fit")
        self.steps = len(trained) // batch_size
        self.distillation: Distillation | None = None  # made for the first network, shared by all
        self.device = best_device(run.trainer.accelerator)

    def train(self, learner: Learner, *, epochs: int, each_epoch: Callable[[int, float], None] | None = None) -> float:
        """Train a network as the configuration says, but for so many epochs; its score in the end.

        Args:
            each_epoch: is told every epoch's number, from 0 on, and score; what it raises ends the training.
        """
        task = self.start(learner)
        optimizer = learner.make_optimizer()
        assert learner.scheduler is not None
        scheduler = learner.scheduler(optimizer, epochs * self.steps)
        score = 0.0
        for epoch in range(epochs):
            for step, batch in enumerate(self.batches(epoch, self.steps)):
                self.step(learner, task.mix(batch, (epoch + step / self.steps) / epochs), optimizer, scheduler)
            if each_epoch is not None or epoch + 1 == epochs:
                score = self.settle_and_score(learner)
            if each_epoch is not None:
                each_epoch(epoch, score)
        return score

    def fine_tune(self, learner: Learner, *, steps: int, lr: float, draw: int = 0) -> None:
        """Train a network a little, with a constant learning rate.

        Args:
            draw: another number draws other images.
        """
        self.start(learner)
        optimizer = learner.make_optimizer()
        for group in optimizer.param_groups:
            group["lr"] = lr
        for batch in self.batches(draw, steps):
            self.step(learner, batch, optimizer, None)

    def start(self, learner: Learner) -> Task:
        """Make a network ready for training; its task."""
        torch.manual_seed(self.run.seed)
        ((_, task),) = learner.each_task()
        task.mirror = False  # a second pass would tell candidates apart no better
        task.prepare(self.trained)
        if (teacher := self.run.distillation) is not None:
            self.distillation = self.distillation or make_distillation(teacher, task)
            task.distillation = self.distillation
        learner.to(self.device).train()
        return task

    def step(
        self, learner: Learner, batch: Mapping[str, Any], optimizer: Optimizer, scheduler: LRScheduler | None
    ) -> None:
        """One step of the optimiser."""
        loss = sum(learner.losses(batch).values())
        assert isinstance(loss, torch.Tensor)
        optimizer.zero_grad()
        loss.backward()
        if clip := self.run.trainer.spec.get("gradient_clip_val"):
            torch.nn.utils.clip_grad_norm_(learner.parameters(), clip)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()

    def batches(self, epoch: int, count: int) -> Iterator[Batch]:
        """So many training batches on the device, from the beginning of an epoch on, and of the next ones."""
        augmented, make_order = self.data.augmented(), self.data.order()
        while count > 0:
            order = make_order(seed=self.run.seed)
            order.set_epoch(epoch)
            for draws in islice(order, min(count, self.steps)):
                yield self.ready(augmented[draws])
            count, epoch = count - self.steps, epoch + 1

    def ready(self, batch: Batch) -> Batch:
        """A batch on the device, at the size that it is trained and scored at."""
        batch = move_data_to_device(batch, self.device)
        return batch if self.side is None else batch | {"image": shrunk(batch["image"], self.side)}

    def settle_and_score(self, learner: Learner) -> float:
        """Take BatchNorm's statistics anew, then score."""
        with torch.no_grad():
            update_bn([batch["image"] for batch in self.batches(0, min(NORM_BATCHES, self.steps))], learner)
        score = self.score(learner)
        learner.train()
        return score

    @torch.no_grad()
    def score(self, learner: Learner) -> float:
        """The task's main score on the images that are held out; 0 where it has none."""
        ((name, task),) = learner.each_task()
        learner.eval().to(self.device)
        metric = task.metric().to(self.device)
        samples = EvalDataset(self.data.val, self.data.fit)
        for indices in EvalBatches(self.data.alike(), self.data.eval_batch_size, rank=0, world=1):
            batch = self.ready(samples[indices])
            predictions = learner.predictions(batch["image"], batch.get("places"))
            metric.update(predictions[name], task.truth(batch))
        score = metric.compute()[task.score]
        return 0.0 if score is None else float(score)
