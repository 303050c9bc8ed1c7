"""Data sets to batches: uint8, channels last in memory, augmented in worker processes."""

import math
import signal
import traceback
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import albumentations
import cv2
import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from tasks.common.cpu import cores, use_all_cores
from tasks.common.errors import UserError
from tasks.common.origin import needs_traceback
from tasks.config.batch import BatchPlan
from tasks.data.files.files import View
from tasks.data.files.samples import Samples
from tasks.data.loading.augmented import Crop, MixedTrainDataset, TrainDataset
from tasks.data.loading.batches import Batch, EvalDataset, repeated
from tasks.data.loading.cache import Cache
from tasks.data.loading.drawing import SHARDS_ALONE, Drawing, DrawSettings
from tasks.data.loading.half_precision import keep_coordinates
from tasks.data.loading.mixture import as_mixture
from tasks.data.loading.objects import boxes_at_input, boxes_once
from tasks.data.loading.on_device import DEVICES, Decoder
from tasks.data.loading.progressive import at_side, check_progressive
from tasks.data.loading.samplers import EvalBatches, TrainBatches
from tasks.data.loading.scales import Size
from tasks.data.loading.sharing import WorkerLoader, shareable
from tasks.data.loading.undecoded import UndecodedTrainDataset
from tasks.data.transforms.crop import RandomResizedCrop


class DataModule(lightning.LightningDataModule):
    """Loaders for training and scoring.

    Args:
        train, val: samples; train may be None if nothing is trained or calibrated.
        augment: albumentations transforms by name, applied in order to training samples.
        crop: makes a training image from its file, before `augment`; None decodes all of it.
        fit: makes an image to score from its file (resize.py, letterbox.py of tasks/data/transforms); None leaves it
            unchanged. Training samples with boxes or masks are fitted the same way after `augment`; in a mixture, all
            samples.
        progressive: (side, share of the steps) pairs: training images are shrunk to that side until that share is done
            (tasks/data/loading/progressive.py), which makes early epochs cheaper. None for none.
        scales: sizes (height, width), one of which is drawn for each training batch; None leaves the transforms' own.
        max_broken: how many training images may be unreadable, each replaced by its neighbour.
        batch_size, eval_batch_size: per process, at once; take() shares out the batch of a training.
        repeat: see TrainBatches.
        workers: processes that decode and augment; None takes one per core, at most 8.
        start_method: of workers: fork, forkserver or spawn; None for the system's own.
        cache: where decoded images are kept.
        drawing: how often training images are drawn, and in which order.
        seed: of order and augmentation.
        own_augment: transforms by name for one data set of a mixture, instead of `augment`.
        decode: where JPEG files are decoded in training: cpu, or cuda, for image labels and a random resized crop
            (tasks/data/loading/undecoded.py).

    Raises:
        UserError: for a data set name that is not in the mixture.
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
        seed: int,
        own_augment: Mapping[str, Mapping[str, albumentations.BasicTransform]] | None = None,
        scales: Sequence[Sequence[int]] | None = None,
        start_method: str | None = None,
        decode: str = "cpu",
        cache: Cache | None = None,
        drawing: DrawSettings | None = None,
    ) -> None:
        super().__init__()
        self.cache, drawing = cache or Cache(), drawing or DrawSettings()
        self.train, self.val = None if train is None else as_mixture(train), as_mixture(val)
        self.augment = in_order(augment)
        self.own_augment = {name: in_order(own) for name, own in (own_augment or {}).items() if own is not None}
        self.check_names("draw", drawing.draw)
        self.check_names("own_augment", self.own_augment)
        self.progressive = check_progressive(progressive or ())
        self.scales = [(height, width) for height, width in scales or ()]
        self.crop, self.fit, self.max_broken = crop, fit, max_broken
        self.batch_size, self.eval_batch_size, self.repeat = batch_size, eval_batch_size, repeat
        self.group = 1  # batches that make a step, if an epoch has only whole steps; else 1
        self.step: int | None = None  # images in each of those, over all processes
        self.start_method = start_method
        self.workers = min(8, len(cores())) if workers is None else workers
        self.seed = seed
        self.decoder = Decoder() if decode == "cuda" else None
        if drawing.order == "shards" and self.cache.where and train is not None:
            raise UserError(SHARDS_ALONE)
        self.drawing = None if self.train is None else Drawing(self.train, drawing, seed)

    def check_names(self, key: str, named: Iterable[str]) -> None:
        """Raises a UserError for a data set that does not exist, whose settings would never be used."""
        for name in named:
            if name not in self.val.names:
                names = ", ".join(self.val.names)
                choices = f"there are {names}" if names else "it is for mixtures: datasets=[…]"
                raise UserError(f"data.{key}.{name}: no such data set; {choices}")

    def setup(self, stage: str) -> None:
        """Decode the images to keep, before workers are forked."""
        if self.trainer is not None:
            keep_coordinates(self.trainer)
            if self.decoder is not None and stage == "fit":
                self.check_device(self.trainer.strategy.root_device)
        train = self.train if stage == "fit" else None
        train, self.val = self.cache.keep(train, self.val, self.fit, self.once)
        self.train = self.train if train is None else train

    def check_device(self, device: torch.device) -> None:
        """Raises a UserError for a device that does not decode."""
        if device.type not in DEVICES:
            raise UserError(f"data.decode=cuda needs CUDA, but this training is on {device.type}: data.decode=cpu")

    def once(self, dataset: Dataset[Any], items: Sequence[Any]) -> DataLoader[Any]:
        """A loader that reads some items once, in as many processes as train."""
        return self.loader(dataset, items, min(self.workers, len(items)), again=False)

    def take(self, batch: BatchPlan) -> None:
        """Make batches as a training's processes share them out."""
        self.batch_size, self.group = batch.size, batch.accumulated if batch.whole else 1
        self.step = batch.images if batch.whole else None

    def train_batches(self) -> TrainBatches:
        """The order of the training samples from the trainer's position: the start, or where a run is resumed."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        done = loop.epoch_loop.batch_progress
        return self.order()(
            seed=self.seed,
            repeat=self.repeat,
            rank=self.trainer.global_rank,
            world=self.trainer.world_size,
            epoch=loop.epoch_progress.current.processed,  # type: ignore[attr-defined]
            skip=0 if done.is_last_batch else done.current.ready,
            image_sizes=self.scales,
            group=self.group,
        )

    def order(self) -> Callable[..., TrainBatches]:
        """Factory of the training order, called with TrainBatches' options."""
        assert self.drawing is not None
        return self.drawing.order(self.batch_size, self.step)

    @property
    def distinct(self) -> int:
        """Number of different training images; fewer than samples if data.share repeats them."""
        assert self.train is not None
        return sum(getattr(part.samples, "distinct", len(part)) for part in self.train.parts)

    def data_line(self) -> str:
        """What the terminal says about the number of images."""
        scored = f"{len(self.val):,} validation images"
        if self.train is None:
            return f"data: {scored}"
        times = self.repeat * len(self.train) / self.distinct
        each = "" if times == 1 else f" images, each {times:.3g} times an epoch,"
        return f"data: {self.distinct:,} training{each} and {scored}"

    def total_steps(self) -> int:
        """Number of optimiser steps of the whole training.

        Lightning's own estimate would create the loader before a resumed run knows its epoch.
        """
        assert self.trainer is not None and self.trainer.max_epochs is not None
        steps = self.trainer.max_epochs * -(-self.epoch_batches() // self.trainer.accumulate_grad_batches)
        return steps if self.trainer.max_steps == -1 else min(steps, self.trainer.max_steps)

    def epoch_batches(self) -> int:
        """Number of training batches of one process in one epoch.

        Raises:
            UserError: if a limit leaves none.
        """
        assert self.trainer is not None
        whole, limit = len(self.train_batches()), self.trainer.limit_train_batches
        batches = min(whole, limit) if isinstance(limit, int) else int(whole * limit)
        if batches < 1:
            raise UserError(f"trainer.limit_train_batches={limit} leaves none of {whole} batches")
        return batches

    def try_augmentation(self, size: Size | None = None) -> Batch:
        """Make the first training batch in this process, so that a broken transform fails before training starts.

        Args:
            size: one of `scales`; None leaves the images as the transforms make them.

        Raises:
            UserError: with the transforms' error message.
        """
        assert self.drawing is not None
        batch = self.drawing.few(self.batch_size, self.step)
        try:
            return self.augmented()[[draw._replace(size=size) for draw in batch]]
        except UserError:
            raise
        except Exception as error:
            if not is_from_transforms(error):
                raise
            raise UserError(f"data.augment: {type(error).__name__}: {' '.join(str(error).split())}") from error

    def batch_of(self, images: int) -> Batch:
        """A training batch of so many images at their largest size, for a trial; one data set's are a few, repeated.

        Raises:
            UserError: for a mixture that has a data set of which such a batch has none.
        """
        assert self.train is not None and self.drawing is not None
        size = max(self.scales, key=math.prod) if self.scales else None
        if not self.train.names:
            return repeated(self.try_augmentation(size), images)
        draws = self.drawing.mixed(images, self.step)
        return self.augmented()[[draw._replace(size=size) for draw in draws]]

    def train_dataloader(self) -> DataLoader[Batch]:
        samples = self.augmented() if self.decoder is None else self.undecoded()
        return self.loader(samples, self.train_batches(), self.workers)

    def augmented(self) -> Dataset[Batch]:
        """The training samples, augmented: the network's input."""
        assert self.train is not None
        replace = self.max_broken > 0
        if not self.train.names:
            return TrainDataset(self.train, self.augment, self.crop, replace, self.fit)
        placed = any(kind in ("mask", "boxes") for part in self.train.parts for kind in part.kinds)
        fit_all = placed or hasattr(self.fit, "place")  # so that a single data set is fitted as in a mixture
        parts = [
            TrainDataset(
                part, self.own_augment.get(part.set_name, self.augment), self.crop, replace, self.fit, fit_all=fit_all
            )
            for part in self.train.parts
        ]
        return MixedTrainDataset(self.train, parts)

    def undecoded(self) -> Dataset[Batch]:
        """The training samples for decoded(): the draws are those of augmented()."""
        assert self.train is not None and isinstance(self.crop, RandomResizedCrop)
        return UndecodedTrainDataset(self.train, self.crop, self.max_broken > 0)

    def decoded(self, batch: Batch) -> Batch:
        """A batch of the training's loader with its images, decoded on the device if the workers have not done it."""
        if self.decoder is None or "undecoded" not in batch:
            return batch
        assert self.trainer is not None
        return self.decoder(batch, self.trainer.strategy.root_device)

    def on_after_batch_transfer(self, batch: Batch, _loader: int) -> Batch:
        """Decode training images if the workers have not, and shrink them as `progressive` says, on the device."""
        assert self.trainer is not None
        batch = self.decoded(batch)
        if not self.progressive or not self.trainer.training:
            return batch
        learner: Any = self.trainer.lightning_module  # knows the steps: total_steps() would make a sampler
        return self.at_size(batch, self.trainer.global_step / learner.steps)

    def at_size(self, batch: Batch, done: float) -> Batch:
        """A training batch at its size after this share of the steps."""
        side = next((side for side, share in self.progressive if done < share), None)
        return batch if side is None else at_side(batch, side)

    def object_sides(self) -> NDArray[np.float64]:
        """(K, 2) width and height of every training object, in pixels of the scored images.

        Of images that data.share repeats, each object is there once.
        """
        assert self.train is not None
        sides = []
        for boxes in (boxes_once(part.samples) for part in self.train.parts):
            if boxes is not None:
                seen = boxes_at_input(boxes, self.fit)
                sides.append(seen[:, 2:] - seen[:, :2])
        return np.concatenate(sides) if sides else np.empty((0, 2))

    def input_size(self) -> tuple[int, int]:
        """(height, width) of the first image to score.

        Raises:
            UserError: for a fit that the labels of a data set cannot follow.
        """
        if self.fit is None:
            return self.val.size(0)
        scored = EvalDataset(self.val, self.fit)
        batches = [scored[[index]] for index in self.val.starts]  # one image of each data set is enough to find errors
        height, width = batches[0]["image"].shape[-2:]
        return height, width

    def val_numbers(self, target: str) -> Sequence[int]:
        """Indices of the validation images that have this kind of label."""
        return self.val.having(target)

    def val_images(self, target: str) -> int:
        """Number of validation images that have this kind of label."""
        return len(self.val_numbers(target))

    def batch_keys(self) -> list[Hashable]:
        """For each image, what all images of a scored batch must share: data set, size, and size of masks."""
        shapes = [shape for part in self.val.parts for shape in self.shapes(part)]
        return [(self.val.place(index)[0], shape) for index, shape in enumerate(shapes)]

    def shapes(self, samples: Samples) -> list[Hashable]:
        """The size of each file, if image or mask are scored at it; None for fitted images without masks."""
        if self.fit is not None and "mask" not in samples.read(0):
            return [None] * len(samples)
        return [samples.size(index) for index in range(len(samples))]

    def val_dataloader(self) -> DataLoader[Batch]:
        assert self.trainer is not None
        rank, world = self.trainer.global_rank, self.trainer.world_size
        sampler = EvalBatches(self.batch_keys(), self.eval_batch_size, rank=rank, world=world)
        return self.loader(EvalDataset(self.val, self.fit), sampler, 0 if self.cache.in_memory else self.workers)

    def loader(
        self, dataset: Dataset[Any], sampler: Iterable[Any], workers: int, *, again: bool = True
    ) -> DataLoader[Any]:
        """A loader whose sampler makes whole batches (Lightning passes the epoch to samplers, not batch samplers).

        Args:
            again: whether it is read more than once, by the same workers, for the accelerator.
        """
        return WorkerLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            collate_fn=shareable,
            num_workers=workers,
            start_method=self.start_method,
            worker_init_fn=start_worker,
            persistent_workers=again and workers > 0,
            pin_memory=again and torch.cuda.is_available(),
        )


def in_order(transforms: Mapping[str, albumentations.BasicTransform]) -> list[albumentations.BasicTransform]:
    """Transforms without the disabled ones (`name: null`)."""
    return [transform for transform in transforms.values() if transform is not None]


def is_from_transforms(error: Exception) -> bool:
    """Whether albumentations raised an error; others are bugs in reading or cropping, and keep their traceback."""
    folder = str(Path(albumentations.__file__).parent)
    frames = traceback.extract_tb(error.__traceback__)
    return any(frame.filename.startswith(folder) for frame in frames) and not needs_traceback(error)


def start_worker(_worker: int) -> None:
    """Let a worker use any core, but one at a time, and leave signals to the trainer.

    Ctrl-C reaches every process of a terminal; the workers must continue until training has stopped cleanly.
    """
    use_all_cores()
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
