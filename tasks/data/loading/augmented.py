"""Training batches: samples are drawn, read, augmented and collated."""

import random
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import albumentations
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.boxes import SMALLEST, pack
from tasks.data.files.files import View
from tasks.data.files.samples import Arrays, Samples, key_of
from tasks.data.loading.batches import Batch, collate
from tasks.data.loading.mixture import MixedSamples
from tasks.data.loading.samplers import Draw
from tasks.data.loading.scales import Size, at_size
from tasks.data.transforms.crop import RandomResizedCrop
from tasks.data.transforms.label_fill import void_outside
from tasks.data.transforms.letterbox import move, placed

Crop = Callable[[Path | Pixels, np.random.Generator], Pixels]
# Boxes are dropped if a transform leaves less than a tenth of them, or less than the smallest side accepted in a file;
# a hundredth of a pixel allows for albumentations' rounding. Without filter_invalid_bboxes its release 2.0.8 would
# raise on boxes without width.
SIDE = SMALLEST - 0.01
BOXES = albumentations.BboxParams(
    "pascal_voc", min_width=SIDE, min_height=SIDE, min_visibility=0.1, clip=True, filter_invalid_bboxes=True
)


class TrainDataset(Dataset[Batch]):
    """Training batches: a list of draws in, a batch out.

    Boxes come as `boxes` (N, T, 5) float32: xyxy in the batch's pixels and class number, see pack().

    Args:
        augment: albumentations transforms, in order.
        crop: makes the image from its file before `augment` (tasks/data/transforms/crop.py).
        replace_broken: a file that cannot be read is listed in the batch's `broken` (name, reason) and replaced by the
            next image; otherwise it is an error.
        fit: resizes augmented samples with boxes or masks as in scoring. Others are not resized.
        fit_all: resize the others as well, if they share a batch with such samples.

    A draw with a size makes samples of that size: `crop`, if it is square, and random resized crops of `augment` make
    it from the file's pixels; whatever has another size afterwards is resized, framed as `fit` does.
    """

    def __init__(
        self,
        samples: Samples,
        augment: Sequence[albumentations.BasicTransform],
        crop: Crop | None = None,
        replace_broken: bool = False,
        fit: View | None = None,
        fit_all: bool = False,
    ) -> None:
        self.samples, self.crop, self.replace_broken = samples, crop, replace_broken
        self.fit, self.fit_all = fit, fit_all
        void_outside(augment)
        resized = [transform for transform in augment if isinstance(transform, albumentations.RandomResizedCrop)]
        self.crop_sizes = [(transform, transform.size) for transform in resized]
        counts = [(transform, others_of(transform)) for transform in augment]
        self.combining = [(transform, count) for transform, count in counts if count is not None]
        with warnings.catch_warnings():  # transforms that move no pixels ignore boxes
            warnings.filterwarnings("ignore", message="Got processor for bboxes")
            self.augment = albumentations.Compose(list(augment), bbox_params=BOXES)

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        broken: list[tuple[str, str]] = []
        arrays, names = zip(*(self.sample(draw, broken) for draw in draws), strict=True)
        boxes = [sample.pop("bboxes") for sample in arrays if "bboxes" in sample]
        batch = collate(arrays, names) | {"broken": broken}
        return batch | {"boxes": torch.from_numpy(pack(boxes))} if boxes else batch

    def sample(self, draw: Draw, broken: list[tuple[str, str]]) -> tuple[Arrays, str]:
        """A drawn sample as the network's input, and its name; unreadable files are added to `broken`.

        Raises:
            UserError: for a crop or a fit that labels cannot follow, or transforms whose result is not (H, W, 3) uint8.
        """
        generator = np.random.default_rng(draw.seed)
        for transform, own in self.crop_sizes:
            transform.size = own if draw.size is None else draw.size
        sample, index = self.read(draw.image, generator, broken, draw.size)
        if self.crop is not None and ("bboxes" in sample or "mask" in sample):
            raise UserError("data.crop changes the image alone: use data.augment where there are boxes or masks")
        check_follow(sample)
        if self.augment.transforms or "bboxes" in sample:  # boxes are checked without any
            # One generator for all transforms: seeded one by one they would all draw the same random numbers.
            self.augment.set_random_state(generator, random.Random(hash(draw.seed)))
            others = {combine.metadata_key: self.others(count, generator, broken) for combine, count in self.combining}
            sample = self.augment(**sample, **others)
            sample = {key: array for key, array in sample.items() if key not in others}
        check_pixels(sample["image"])
        sample = self.fitted(sample, draw.size)
        return sample, self.samples.name(index)

    def others(self, count: int, generator: np.random.Generator, broken: list[tuple[str, str]]) -> Sequence[Arrays]:
        """Random samples of the data set to combine with another, read lazily."""
        indices = generator.integers(len(self.samples), size=count)
        return ReadLate(lambda place: self.read(int(indices[place]), generator, broken)[0], len(indices))

    def fitted(self, sample: Arrays, size: Size | None) -> Arrays:
        """Apply `fit` to a sample with boxes or a mask; others are unchanged, unless all are fitted or have a size.

        Raises:
            UserError: for a fit that boxes or masks cannot follow.
        """
        if "bboxes" in sample:
            sample["bboxes"] = sample["bboxes"].reshape(-1, 5)  # without boxes albumentations drops the fifth column
        if size is not None:
            return move(sample, at_size(self.fit, size))
        if self.fit is None or not (self.fit_all or "bboxes" in sample or "mask" in sample):
            return sample
        return move(sample, placed(self.fit))

    def read(
        self, index: int, generator: np.random.Generator, broken: list[tuple[str, str]], size: Size | None = None
    ) -> tuple[Arrays, int]:
        """A sample and its index: the requested one, or the next readable one."""
        crop = self.crop
        if size is not None and size[0] == size[1] and isinstance(crop, RandomResizedCrop):
            crop = crop.at_size(size[0])
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


def others_of(transform: Any) -> int | None:
    """How many other samples a transform combines with its own; None for most, which see no other."""
    if isinstance(transform, albumentations.Mosaic):
        rows, columns = transform.grid_yx
        return int(rows * columns) - 1
    others: int | None = getattr(transform, "others", None)
    return others


def check_follow(sample: Arrays) -> None:
    """Raises a UserError for labels with places in the image that transforms would not move along, such as depth."""
    for key, array in sample.items():
        if key not in ("image", "mask", "bboxes") and np.ndim(array) > 1:
            raise UserError(
                f"labels of kind {key} have {np.ndim(array)} axes, but only mask and boxes are transformed with their "
                "image: a task of your own learns from those, a number or a vector for each image"
            )


def check_pixels(image: Any) -> None:
    """Raises a UserError for anything but an (H, W, 3) uint8 image, which networks are scored on."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        shape = "×".join(str(side) for side in getattr(image, "shape", ()))
        raise UserError(
            f"data.augment makes images of {getattr(image, 'dtype', type(image).__name__)} and shape {shape}, but the "
            "network is scored on uint8, height×width×3, and normalises by itself: take that transform out"
        )


class ReadLate(Sequence[Arrays]):
    """Samples that are read on access."""

    def __init__(self, read: Callable[[int], Arrays], length: int) -> None:
        self.read, self.length = read, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, place: Any) -> Any:
        if place >= self.length:
            raise IndexError(place)
        return self.read(place)


class MixedTrainDataset(Dataset[Batch]):
    """Training batches of a mixture: `rows` lists the rows with each kind of label, whose tensor has only those rows.

    A batch of 3 + 2 samples, the first set with boxes, the second with masks and classes:

        image   ▪ ▪ ▪ ▫ ▫        counts (3, 2)
        boxes   ▪ ▪ ▪            rows["boxes"] 0 1 2
        mask          ▫ ▫        rows["mask"]  3 4
        label         ▫ ▫        rows["label"] 3 4

    Args:
        samples: the mixture's.
        parts: each data set's training samples; a broken sample is replaced by one of its own set.
    """

    def __init__(self, samples: MixedSamples, parts: Sequence[TrainDataset]) -> None:
        self.samples, self.parts = samples, parts

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        broken: list[tuple[str, str]] = []
        places = [self.samples.place(draw.image) for draw in draws]
        made = [
            self.parts[number].sample(draw._replace(image=index), broken)
            for (number, index), draw in zip(places, draws, strict=True)
        ]
        batch = collate([{"image": sample["image"]} for sample, _ in made], [name for _, name in made])
        rows: dict[str, Tensor] = {}
        for kind in dict.fromkeys(kind for part in self.samples.parts for kind in part.kinds):
            having = [row for row, (sample, _) in enumerate(made) if key_of(kind) in sample]
            labels = [made[row][0][key_of(kind)] for row in having]
            rows[kind] = torch.tensor(having)
            batch[kind] = torch.from_numpy(pack(labels) if kind == "boxes" else np.stack(labels))
        counts = np.bincount([number for number, _ in places], minlength=len(self.parts)).tolist()
        return batch | {"counts": tuple(counts), "rows": rows, "broken": broken}
