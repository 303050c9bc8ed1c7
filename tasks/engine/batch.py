"""The batch of a training: shared out among processes and passes before its first step, and said."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.config.batch import BatchPlan, BatchSettings, known_processes
from tasks.config.tree import resolved
from tasks.data.loading.datamodule import DataModule
from tasks.engine.build import make_trainer
from tasks.engine.learner import Learner
from tasks.engine.memory import images_at_once
from tasks.engine.pace import ENTRY, is_pace
from tasks.engine.settings import Run


class ShareBatch(Callback):
    """Sets the images at once and the accumulated passes of a training, from its processes and their memory.

    Args:
        settings: what the configuration says.
        trial: a copy of the network, for data.batch_size=auto; else None.
        resumed: the checkpoint of the training that this one resumes, whose images at once stay as they were found.
        copies: of the weights, beside the optimiser's state.

    Raises:
        UserError: if the images cannot be shared out evenly, or none fits into memory.
    """

    def __init__(
        self, settings: BatchSettings, trial: Learner | None, resumed: Mapping[str, Any] | None = None, copies: int = 2
    ) -> None:
        self.settings, self.trial, self.copies = settings, trial, copies
        before: Any = (resumed or {}).get(ENTRY)
        self.before: int = before.get("batch_size", 0) if is_pace(before) else 0

    def setup(self, trainer: Trainer, _module: LightningModule, stage: str) -> None:
        """Once processes can talk to each other, before the schedule is built."""
        if stage != "fit":
            return
        data: Any = getattr(trainer, "datamodule", None)
        assert isinstance(data, DataModule)
        batch = self.settings.plan(trainer.world_size)
        if self.settings.auto and batch.whole:
            batch = self.settings.plan(trainer.world_size, self.found(trainer, data))
        trainer.accumulate_grad_batches = batch.accumulated
        data.take(batch)
        report(said(self.settings, batch))
        if batch.whole and (part := data.epoch_batches()) % batch.accumulated:  # by trainer.limit_train_batches
            limit = -(-part // batch.accumulated) * batch.accumulated
            trainer.limit_train_batches = limit
            report(f"trainer.limit_train_batches: {limit} instead of {part}, for steps of {batch.images:,} images")

    def found(self, trainer: Trainer, data: DataModule) -> int:
        """Images at once that fit into the memory of every process."""
        choices = self.settings.choices(trainer.world_size)
        if self.before in choices:
            return self.before
        assert self.trial is not None and data.drawing is not None
        choices = [number for number in choices if data.drawing.shows_each_set(number, data.step)]
        if not choices:
            raise UserError(f"{self.settings.name}: too few images for each process to have some of each data set")
        here = images_at_once(trainer, self.trial, data.batch_of, choices, self.copies)
        self.trial = None
        least = trainer.strategy.reduce(torch.tensor(here, device=trainer.strategy.root_device), reduce_op="min")
        return int(least)


def trial_of(settings: BatchSettings, learner: Learner) -> Learner | None:
    """A copy of the network for a trial of its memory, before a trainer is attached to it; None if none is needed."""
    return copy.deepcopy(learner).cpu() if settings.auto else None


def processes_of(run: Run) -> int:
    """Number of processes of a training, over all machines."""
    known = known_processes(resolved(run.stored, run.output_dir))
    return make_trainer(run.trainer, []).world_size if known is None else known


def said(settings: BatchSettings, batch: BatchPlan) -> str:
    """The terminal's line on the batch and the learning rate that goes with it."""
    rate = settings.rate_text(batch.images)
    return f"batch: {batch.text()}{f'; {rate}' if rate else ''}"
