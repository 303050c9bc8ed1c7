"""JPEG files of a training batch, decoded, cropped, resized and mirrored on the device."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.common.console import report
from tasks.data.files.images import read_rgb
from tasks.data.files.opening import HeldFile
from tasks.data.loading.batches import Batch
from tasks.data.transforms.crop import Box, Interpolation, at_scale

DEVICES = ("cuda",)  # types of device that decode; the CPU has better ways


class Part(NamedTuple):
    """What is made of a file.

    Attributes:
        row: of the batch.
        name: of the image, for messages.
        length: bytes of the file.
        box: to cut out of the picture.
        flip: whether it is mirrored.
    """

    row: int
    name: str
    length: int
    box: Box
    flip: bool


class Undecoded:
    """The JPEG files of a batch. Lightning moves no such object to the device, and nvJPEG reads them from the host.

    Args:
        data: (B,) uint8, the files one after the other.
        parts: what is made of each.
        size: height and width of the results.
        interpolation: with antialiasing.
    """

    def __init__(self, data: Tensor, parts: Sequence[Part], size: int, interpolation: Interpolation) -> None:
        self.data, self.parts, self.size, self.interpolation = data, list(parts), size, interpolation


class Decoder:
    """Makes the images of a batch on a device. What is unusual is said once."""

    def __init__(self) -> None:
        self.said: set[str] = set()

    def __call__(self, batch: Batch, device: torch.device) -> Batch:
        """The batch with all images: `undecoded` is gone, `image` (N, 3, size, size) uint8, channels last in memory.

        Args:
            batch: its `image` has the rows that the workers have decoded, in order.

        Raises:
            UserError: for a file that no decoder can read.
        """
        undecoded: Undecoded = batch["undecoded"]
        rest = {key: value for key, value in batch.items() if key != "undecoded"}
        if not undecoded.parts:
            self.say("none", "no JPEG file in a batch: data.decode=cuda leaves its images to the data workers")
            return rest
        made, ready = self.make(undecoded, device), batch["image"]
        if len(ready):
            rows = [part.row for part in undecoded.parts]
            others = sorted({*range(len(rows) + len(ready))} - {*rows})
            place = torch.tensor([*rows, *others]).argsort().to(device, non_blocking=True)
            made = torch.cat([made, ready.to(device, non_blocking=True)])[place]
        return rest | {"image": made.contiguous(memory_format=torch.channels_last)}

    def make(self, undecoded: Undecoded, device: torch.device) -> Tensor:
        """(M, 3, size, size) uint8 of M files."""
        parts, photos = undecoded.parts, self.decode(undecoded, device)
        # Each has another size, so they are resized one by one.
        images = torch.cat(
            [
                resized(photo, part.box, undecoded.size, undecoded.interpolation)
                for photo, part in zip(photos, parts, strict=True)
            ]
        )
        flips = torch.tensor([part.flip for part in parts]).to(device, non_blocking=True)
        images = torch.where(flips[:, None, None, None], images.flip(3), images)
        return images.round_().clamp_(0, 255).byte()

    def decode(self, undecoded: Undecoded, device: torch.device) -> list[Tensor]:
        """(3, H, W) uint8 RGB of each file, all at once; on the CPU if the device refuses them.

        Raises:
            UserError: for a file that cannot be decoded there either.
        """
        from torchvision.io import ImageReadMode, decode_jpeg

        files = list(undecoded.data.split([part.length for part in undecoded.parts]))
        try:
            with warnings.catch_warnings():  # torchvision 0.29 recommends TorchCodec
                warnings.simplefilter("ignore", DeprecationWarning)
                photos: list[Tensor] = decode_jpeg(files, mode=ImageReadMode.RGB, device=device)
                return photos
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            self.say("refused", f"data.decode=cuda: the device refuses a batch, which the CPU decodes: {reason}")
        named = zip(undecoded.parts, files, strict=True)
        pixels = [read_rgb(HeldFile.of(part.name, file.numpy().tobytes())) for part, file in named]
        return [torch.tensor(image, device=device).permute(2, 0, 1) for image in pixels]

    def say(self, key: str, line: str) -> None:
        """Report a line the first time."""
        if key not in self.said:
            self.said.add(key)
            report(line)


def resized(photo: Tensor, box: Box, size: int, interpolation: Interpolation) -> Tensor:
    """The box of a photo (3, H, W) uint8 at (1, 3, size, size), in floats: CUDA has no antialiasing kernel for uint8.

    Where libjpeg would decode at a smaller scale, means of the pixels stand for it (tasks/data/transforms/crop.py).
    """
    reduce, (top, left, height, width) = at_scale(box, size)
    rows, columns = slice(top * reduce, (top + height) * reduce), slice(left * reduce, (left + width) * reduce)
    part = photo[None, :, rows, columns].float()
    if reduce > 1:
        part = F.avg_pool2d(part, reduce, ceil_mode=True, count_include_pad=False)
    return F.interpolate(part, (size, size), mode=interpolation, antialias=True)
