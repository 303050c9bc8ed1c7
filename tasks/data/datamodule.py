"""Data sets to batches: uint8, channels last in memory, augmented in worker processes."""

import os
import random
import signal
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import albumentations
import cv2
import lightning
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from tasks.cpu import use_all_cores
from tasks.data.files import View
from tasks.data.images import Pixels
from tasks.data.samplers import Draw, EvalBatches, TrainBatches
from tasks.errors import UserError

Arrays = dict[str, NDArray[Any]]
Batch = dict[str, Any]
Crop = Callable[[Path | Pixels, np.random.Generator], Pixels]


class Samples(Protocol):
    """What a data set's split offers: arrays by the names that albumentations gives them (image, mask, label, …).

    `read(index, view)` lets a view make the image from its file (or from decoded pixels) where it can do so faster or
    better than by decoding all of it; only sets without labels per pixel offer that.
    """

    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def size(self, index: int) -> tuple[int, int]: ...
    def read(self, index: int, view: View | None = None) -> Arrays: ...


def collate(samples: Sequence[Arrays], names: Sequence[str]) -> Batch:
    """Arrays of equal shape to one batch: `image` (N, 3, H, W) with channels last in memory, the rest stacked."""
    batch: Batch = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in samples[0]}
    batch["image"] = batch["image"].permute(0, 3, 1, 2)
    batch["name"] = list(names)
    return batch


class Augmented(Dataset[Batch]):
    """Training batches: a list of draws in, a batch out.

    Args:
        augment: albumentations transforms, in order.
        crop: makes the image from its file before they see it (tasks/data/crop.py).
        replace_broken: a file that cannot be read is noted in the batch's `broken` (name, reason) and the next image
            takes its place; otherwise it is an error.
    """

    def __init__(
        self,
        samples: Samples,
        augment: Sequence[albumentations.BasicTransform],
        crop: Crop | None = None,
        replace_broken: bool = False,
    ) -> None:
        self.samples, self.crop, self.replace_broken = samples, crop, replace_broken
        self.augment = albumentations.Compose(list(augment))

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        arrays, names = [], []
        broken: list[tuple[str, str]] = []
        for index, seed in draws:
            generator = np.random.default_rng(seed)
            sample, index = self.read(index, generator, broken)
            # One generator for all transforms: seeded one by one they would all throw the same dice.
            self.augment.set_random_state(generator, random.Random(hash(seed)))
            arrays.append(self.augment(**sample))
            names.append(self.samples.name(index))
        return collate(arrays, names) | {"broken": broken}

    def read(self, index: int, generator: np.random.Generator, broken: list[tuple[str, str]]) -> tuple[Arrays, int]:
        """A sample and its number: the wanted one, or the first behind it that can be read."""
        crop = self.crop
        for number in range(index, index + len(self.samples)):
            number %= len(self.samples)
            try:
                if crop is None:
                    return self.samples.read(number), number
                return self.samples.read(number, lambda source: crop(source, generator)), number
            except UserError as error:
                if not self.replace_broken:
                    raise
                broken.append((self.samples.name(number), str(error)))
        raise UserError(f"not one image can be read; the first: {broken[0][1]}")


class Scored(Dataset[Batch]):
    """Evaluation batches: a list of indices in, a batch out; each image as it is, or as `fit` makes it."""

    def __init__(self, samples: Samples, fit: View | None = None) -> None:
        self.samples, self.fit = samples, fit

    def __getitem__(self, indices: Sequence[int]) -> Batch:
        read = self.samples.read if self.fit is None else partial(self.samples.read, view=self.fit)
        return collate([read(index) for index in indices], [self.samples.name(index) for index in indices]) | {
            "index": list(indices)
        }


class InMemory:
    """Samples decoded once and kept; workers forked later share them.

    What cannot be read says so when it is asked for.
    """

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

        def read(index: int) -> Arrays | UserError:
            try:
                return samples.read(index)
            except UserError as error:
                return error

        with ThreadPoolExecutor() as pool:
            self.arrays = list(pool.map(read, range(len(samples))))

    def __len__(self) -> int:
        return len(self.arrays)

    def name(self, index: int) -> str:
        return self.samples.name(index)

    def size(self, index: int) -> tuple[int, int]:
        height, width = self.read(index)["image"].shape[:2]
        return height, width

    def read(self, index: int, view: View | None = None) -> Arrays:
        arrays = self.arrays[index]
        if isinstance(arrays, UserError):
            raise arrays
        return arrays if view is None else arrays | {"image": view(arrays["image"])}


class DataModule(lightning.LightningDataModule):
    """Loaders for training and scoring.

    Args:
        train, val: samples; train may be None where nothing is trained.
        augment: albumentations transforms by name, applied in order to training samples.
        crop: makes a training image from its file, before `augment`; None decodes all of it.
        fit: makes an image to score from its file (tasks/data/resize.py); None takes it as it is.
        progressive: (side, share of the steps) pairs: training images are shrunk to that side until that share is done
            (Howard et al., fast.ai's DAWNBench entry, 2018): a pass costs less while little is known. None for none.
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

    @cached_property
    def steps(self) -> int:
        """total_steps, once."""
        return self.total_steps()

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
        """Make one training batch here and now, so that a transform that cannot work says so before training.

        Raises:
            UserError: with what the transforms said.
        """
        assert self.train is not None
        batch = next(iter(TrainBatches(len(self.train), min(4, self.batch_size), seed=self.seed)))
        try:
            return Augmented(self.train, self.augment, self.crop, self.max_broken > 0)[batch]
        except UserError:
            raise
        except Exception as error:
            raise UserError(f"data.augment: {type(error).__name__}: {' '.join(str(error).split())}") from error

    def train_dataloader(self) -> DataLoader[Batch]:
        assert self.train is not None
        dataset = Augmented(self.train, self.augment, self.crop, self.max_broken > 0)
        return self.loader(dataset, self.train_batches(), self.workers)

    def on_after_batch_transfer(self, batch: Batch, _loader: int) -> Batch:
        """Shrink training images as far as `progressive` says, on the device."""
        assert self.trainer is not None
        if not self.progressive or not self.trainer.training:
            return batch
        if "mask" in batch:
            raise UserError("data.progressive shrinks the images alone: it is for image labels")
        done = self.trainer.global_step / self.steps
        side = next((side for side, share in self.progressive if done < share), None)
        return batch if side is None else batch | {"image": shrunk(batch["image"], side)}

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
            num_workers=workers,
            worker_init_fn=start_worker,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )


def check_progressive(pairs: Sequence[Sequence[float]]) -> list[tuple[int, float]]:
    """Pairs of side and share, with rising shares.

    Raises:
        UserError: for anything else.
    """
    shares = [pair[1] for pair in pairs if len(pair) == 2]
    sides = [pair[0] for pair in pairs if isinstance(pair[0], int) and pair[0] > 0]
    if len(shares) != len(pairs) or len(sides) != len(pairs) or not all(0 < share < 1 for share in shares):
        raise UserError(f"data.progressive={[list(pair) for pair in pairs]} must be [side, share of the steps] pairs")
    if sorted(set(shares)) != shares:
        raise UserError(f"data.progressive: the shares {shares} must rise")
    return list(zip(sides, shares, strict=True))


def shrunk(images: Tensor, side: int) -> Tensor:
    """Images (N, 3, H, W) uint8 with this shorter side, antialiased; smaller ones stay as they are."""
    height, width = images.shape[-2:]
    scale = side / min(height, width)
    if scale >= 1:
        return images
    size = (round(height * scale), round(width * scale))
    resized = F.interpolate(images, size, mode="bilinear", antialias=True)
    return resized.contiguous(memory_format=torch.channels_last)


def start_worker(_worker: int) -> None:
    """A worker may use any core but only one at a time, and leaves signals to the trainer.

    Ctrl-C reaches every process of a terminal; the workers must go on until the training has stopped in order.
    """
    use_all_cores()
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
