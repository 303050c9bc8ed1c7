"""Data sets to batches: uint8, channels last in memory, augmented in worker processes."""

import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import albumentations
import cv2
import lightning
import torch
from torch.utils.data import DataLoader, Dataset

from tasks.cpu import use_all_cores
from tasks.data.batches import Augmented, Batch, Crop, InMemory, Samples, Scored
from tasks.data.files import View
from tasks.data.progressive import check_progressive, shrunk
from tasks.data.samplers import EvalBatches, TrainBatches
from tasks.errors import UserError


class DataModule(lightning.LightningDataModule):
    """Loaders for training and scoring.

    Args:
        train, val: samples; train may be None where nothing is trained.
        augment: albumentations transforms by name, applied in order to training samples.
        crop: makes a training image from its file, before `augment`; None decodes all of it.
        fit: makes an image to score from its file (tasks/data/resize.py, letterbox.py); None takes it as it is.
            Training samples with boxes are fitted alike, behind `augment`.
        progressive: (side, share of the steps) pairs: training images are shrunk to that side until that share is done
            (tasks/data/progressive.py): a pass costs less while little is known. None for none.
        max_broken: how many training images may be unreadable, each replaced by its neighbour.
        batch_size, eval_batch_size: per process.
        repeat: see TrainBatches.
        workers: processes that decode and augment; None takes one per core, at most 8.
        cache: keep decoded images in memory.
        seed: of order and augmentation.
    """

    def __init__(
        self,
        train: Samples | None,
        val: Samples,
        *,
        augment: Mapping[str, albumentations.BasicTransform],
        crop: Crop | None,
        fit: View | None,
        progressive: Sequence[Sequence[float]] | None,
        max_broken: int,
        batch_size: int,
        eval_batch_size: int,
        repeat: int,
        workers: int | None,
        cache: bool,
        seed: int,
    ) -> None:
        super().__init__()
        self.train, self.val = train, val
        self.augment = [transform for transform in augment.values() if transform is not None]
        self.progressive = check_progressive(progressive or ())
        self.crop, self.fit, self.max_broken = crop, fit, max_broken
        self.batch_size, self.eval_batch_size, self.repeat = batch_size, eval_batch_size, repeat
        self.workers = min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
        if workers is not None:
            self.workers = workers
        self.cache, self.seed = cache, seed

    def setup(self, stage: str) -> None:
        """Decode what is to be kept in memory, before workers are forked."""
        if self.cache and stage == "fit" and not isinstance(self.train, InMemory):
            assert self.train is not None
            self.train = InMemory(self.train)
        if self.cache and not isinstance(self.val, InMemory):
            self.val = InMemory(self.val)

    def train_batches(self) -> TrainBatches:
        """The order of the training samples, from where the trainer stands: at the start, or where a run is resumed."""
        assert self.train is not None and self.trainer is not None
        loop = self.trainer.fit_loop
        done = loop.epoch_loop.batch_progress
        return TrainBatches(
            len(self.train),
            self.batch_size,
            seed=self.seed,
            repeat=self.repeat,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
            epoch=loop.epoch_progress.current.processed,  # type: ignore[attr-defined]
            skip=0 if done.is_last_batch else done.current.ready,
        )

    def total_steps(self) -> int:
        """Optimiser steps of the whole training.

        Lightning's own estimate would make the loader before a resumed run knows its epoch.
        """
        assert self.trainer is not None and self.trainer.max_epochs is not None
        batches, limit = len(self.train_batches()), self.trainer.limit_train_batches
        whole = batches
        batches = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
        if batches < 1:
            raise UserError(f"trainer.limit_train_batches={limit} leaves none of {whole} batches")
        return self.trainer.max_epochs * -(-batches // self.trainer.accumulate_grad_batches)

    def try_augmentation(self) -> Batch:
        """Make the first training batch here and now, so that a transform that cannot work says so before training.

        Raises:
            UserError: with what the transforms said.
        """
        assert self.train is not None
        batch = next(iter(TrainBatches(len(self.train), min(4, self.batch_size), seed=self.seed)))
        try:
            return self.at_size(self.augmented()[batch], 0.0)
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"data.augment: {type(error).__name__}: {' '.join(str(error).split())}") from error

    def train_dataloader(self) -> DataLoader[Batch]:
        return self.loader(self.augmented(), self.train_batches(), self.workers)

    def augmented(self) -> Augmented:
        """The training samples as the network sees them."""
        assert self.train is not None
        return Augmented(self.train, self.augment, self.crop, self.max_broken > 0, self.fit)

    def on_after_batch_transfer(self, batch: Batch, _loader: int) -> Batch:
        """Shrink training images as far as `progressive` says, on the device."""
        assert self.trainer is not None
        if not self.progressive or not self.trainer.training:
            return batch
        return self.at_size(batch, self.trainer.global_step / self.total_steps())

    def at_size(self, batch: Batch, done: float) -> Batch:
        """A training batch at the size that it has after this share of the steps.

        Raises:
            UserError: for labels that would have to shrink as well.
        """
        side = next((side for side, share in self.progressive if done < share), None)
        if side is None:
            return batch
        if "mask" in batch or "boxes" in batch:
            raise UserError("data.progressive shrinks the images alone: it is for image labels")
        return batch | {"image": shrunk(batch["image"], side)}

    def input_size(self) -> tuple[int, int]:
        """(height, width) of the first image as it is scored."""
        if self.fit is None:
            return self.val.size(0)
        height, width = self.val.read(0, self.fit)["image"].shape[:2]
        return height, width

    def val_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        if self.fit is None:
            sizes = [self.val.size(index) for index in range(len(self.val))]
        else:
            sizes = [self.input_size()] * len(self.val)
        sampler = EvalBatches(sizes, self.eval_batch_size, rank=self.trainer.global_rank, world=self.trainer.world_size)
        if sampler.of_all < self.trainer.world_size:  # a process without a batch would wait for the others for ever
            raise UserError(
                f"{len(self.val)} validation images in batches of {self.eval_batch_size} are too few for "
                f"{self.trainer.world_size} processes; lower data.eval_batch_size or trainer.devices"
            )
        return self.loader(Scored(self.val, self.fit), sampler, 0 if self.cache else self.workers)

    def loader(self, dataset: Dataset[Batch], sampler: Iterable[Any], workers: int) -> DataLoader[Batch]:
        """A loader whose sampler makes whole batches (Lightning tells the epoch to samplers, not to batch samplers)."""
        return DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            collate_fn=unchanged,
            num_workers=workers,
            worker_init_fn=start_worker,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def unchanged(batch: Any) -> Any:
    """A batch as the data set made it; the loader's own way would turn annotations into tensors."""
    return batch


def start_worker(_worker: int) -> None:
    """A worker may use any core but only one at a time, and leaves signals to the trainer.

    Ctrl-C reaches every process of a terminal; the workers must go on until the training has stopped in order.
    """
    use_all_cores()
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
