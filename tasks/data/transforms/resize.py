"""Resized images, and the views that classification papers score: resized, centre cropped (Krizhevsky, 2012)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image
from PIL import __version__ as pillow_version

from tasks.common.errors import UserError, not_one_of
from tasks.common.labels import Pixels
from tasks.data.files.images import read_rgb

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


class ResizeCentreCrop:
    """Byte-identical to torchvision's Resize and CenterCrop of a Pillow image, with which scores are published.

    Args:
        resize: the shorter side's length; two numbers are height and width, ignoring the aspect ratio; None keeps the
            size.
        crop: height and width cut from the middle, padded with black where the image is smaller; None does not crop.
        interpolation: with antialiasing, as always in Pillow.

    Raises:
        UserError: for an unknown interpolation, or lengths below 1.
    """

    def __init__(
        self,
        resize: int | Sequence[int] | None = 256,
        crop: int | None = 224,
        *,
        interpolation: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear",
    ) -> None:
        if interpolation not in FILTERS:
            raise UserError(f"data.fit.interpolation={interpolation} {not_one_of(interpolation, FILTERS)}")
        lengths = [] if resize is None else [resize] if isinstance(resize, int) else list(resize)
        if len(lengths) > 2 or min(lengths, default=1) < 1:
            raise UserError(f"data.fit.resize={resize} must be the shorter side, or [height, width], or null")
        if crop is not None and crop < 1:
            raise UserError(f"data.fit.crop={crop} must be at least 1, or null")
        if crop is None and len(lengths) < 2:
            raise UserError("data.fit.crop=null leaves images of different shapes: set it, or resize=[height, width]")
        self.lengths, self.crop, self.interpolation = lengths, crop, interpolation
        self.filter = FILTERS[interpolation]

    def rule(self) -> dict[str, Any]:
        """What another program needs to know to do the same."""
        return {
            "rule": "resize_centre_crop",
            "lengths": self.lengths,
            "crop": self.crop,
            "interpolation": self.interpolation,
            "pillow": int(pillow_version.split(".")[0]),  # its handling of tall photos has changed
        }

    def __call__(self, source: Path | Pixels) -> Pixels:
        """An image file, or an image (H, W, 3) RGB, to (crop, crop, 3) RGB.

        Raises:
            UserError: for a file that cannot be decoded.
        """
        image = Image.fromarray(source if isinstance(source, np.ndarray) else read_rgb(source))
        image = image.resize(self.resized(*image.size), self.filter)
        return np.array(image) if self.crop is None else middle(image, self.crop)

    def resized(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) after resizing."""
        if not self.lengths:
            return width, height
        if len(self.lengths) == 2:
            return self.lengths[1], self.lengths[0]
        short = self.lengths[0]
        longer = int(short * max(width, height) / min(width, height))  # torchvision truncates
        return (short, longer) if width <= height else (longer, short)


def middle(image: Image.Image, size: int) -> Pixels:
    """The middle of an image, (size, size, 3), black outside of the image."""
    width, height = image.size
    # If the image is smaller, torchvision first pads it and rounds down; otherwise it uses Python's rounding to even.
    left = -((size - width) // 2) if width < size else round((width - size) / 2)
    top = -((size - height) // 2) if height < size else round((height - size) / 2)
    return np.array(image.crop((left, top, left + size, top + size)))


def antialiased(image: Pixels, height: int, width: int, interpolation: str = "bilinear") -> Pixels:
    """(H, W, 3) to (height, width, 3) with antialiasing: within 1 of Pillow's result, in a fraction of the time.

    Without antialiasing each new pixel would be made of 2×2 old ones and the rest ignored, so that details two pixels
    wide would appear or vanish depending on position. Small objects are hard enough for a detector as it is.

    Args:
        interpolation: "bilinear" or "bicubic".
    """
    import torch

    if image.shape[:2] == (height, width):
        return image
    # torch warns of read-only arrays, and must recognise channels last in memory: parts of an image are copied, and the
    # batch dimension needs a stride made by torch.
    whole = image if image.flags.c_contiguous and image.flags.writeable else np.array(image, order="C")
    batch = torch.from_numpy(whole).view(1, *image.shape).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(batch, (height, width), mode=interpolation, antialias=True)
    return resized[0].permute(1, 2, 0).contiguous().numpy()
