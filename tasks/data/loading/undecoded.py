"""Training batches of files that the device decodes: workers read the files and draw boxes and flips."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import torch

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.jpeg import Jpeg
from tasks.data.files.samples import Arrays, Samples
from tasks.data.loading.augmented import Crop, TrainDataset, check_follow
from tasks.data.loading.batches import Batch
from tasks.data.loading.on_device import Part, Undecoded
from tasks.data.loading.samplers import Draw
from tasks.data.transforms.crop import Box, RandomResizedCrop, cut_box, open_image


class Held(NamedTuple):
    """A JPEG file, the box that is to be cut out of it, and whether the result is mirrored."""

    data: bytearray
    box: Box
    flip: bool


class LeftToDevice:
    """A random resized crop that is only drawn, if the device can decode the file; others are made here.

    The random numbers are those of the crop itself.
    """

    def __init__(self, crop: RandomResizedCrop) -> None:
        self.crop = crop

    def __call__(self, source: Path | Pixels, generator: np.random.Generator) -> Held | Pixels:
        """An image file, or an image (H, W, 3) RGB, to what the device needs, or to (size, size, 3) RGB.

        Raises:
            UserError: for a file that cannot be decoded here.
        """
        image = open_image(source)
        box, flip = self.crop.choose(image, generator)
        if isinstance(image, Jpeg) and not image.stored_as_rgb:
            return Held(image.data, box, flip)
        return cut_box(image, box, self.crop.size, self.crop.interpolation, flip=flip)


class UndecodedTrainDataset(TrainDataset):
    """Training batches: a list of draws in, a batch out whose images a Decoder completes.

    Only files that are JPEG, of grey or YCbCr with 8 bits, and not turned by EXIF are left to the device.

    Args:
        samples, replace_broken: see TrainDataset.
        crop: that makes an image from its file.
    """

    def __init__(self, samples: Samples, crop: RandomResizedCrop, replace_broken: bool = False) -> None:
        super().__init__(samples, (), cast(Crop, LeftToDevice(crop)), replace_broken)
        self.size, self.interpolation = crop.size, crop.interpolation

    def __getitem__(self, draws: Sequence[Draw]) -> Batch:
        broken: list[tuple[str, str]] = []
        samples, names = zip(*(self.sample(draw, broken) for draw in draws), strict=True)
        images: list[Any] = [sample.pop("image") for sample in samples]
        held = [(row, image) for row, image in enumerate(images) if isinstance(image, Held)]
        parts = [Part(row, names[row], len(file.data), file.box, file.flip) for row, file in held]
        data = torch.frombuffer(bytearray().join(file.data for _, file in held) or bytearray(1), dtype=torch.uint8)
        ready = [image for image in images if not isinstance(image, Held)]
        stacked = np.stack(ready) if ready else np.empty((0, self.size, self.size, 3), np.uint8)
        batch: Batch = {key: torch.from_numpy(np.stack([sample[key] for sample in samples])) for key in samples[0]}
        batch["image"] = torch.from_numpy(stacked).permute(0, 3, 1, 2)
        batch["undecoded"] = Undecoded(data, parts, self.size, self.interpolation)
        return batch | {"name": list(names), "broken": broken}

    def sample(self, draw: Draw, broken: list[tuple[str, str]]) -> tuple[Arrays, str]:
        """A drawn sample, whose image may be Held, and its name; unreadable files are added to `broken`.

        Raises:
            UserError: for labels that have places in the image.
        """
        sample, index = self.read(draw.image, np.random.default_rng(draw.seed), broken)
        if "bboxes" in sample or "mask" in sample:
            raise UserError("data.decode=cuda is for image labels: boxes and masks do not follow data.crop")
        check_follow(sample)
        return sample, self.samples.name(index)
