"""Samples to batches: what a worker process does."""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import albumentations
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from tasks.data.files import View
from tasks.data.images import Pixels
from tasks.data.samplers import Draw
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
