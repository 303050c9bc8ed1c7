"""Random resized crops (Szegedy et al., arXiv:1409.4842, section 6) that decode only as much of a file as they need."""

import math
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tasks.common.errors import UserError, not_one_of
from tasks.common.labels import Pixels
from tasks.data.files.images import read_rgb
from tasks.data.files.jpeg import Jpeg
from tasks.data.transforms.resize import antialiased

TRIES = 10
Interpolation = Literal["bilinear", "bicubic"]


class Box(NamedTuple):
    """A part of an image in pixels."""

    top: int
    left: int
    height: int
    width: int


class RandomResizedCrop:
    """A box of random area and shape, resized to a square and randomly flipped.

    The box is drawn as torchvision draws it, but before anything is decoded:

        file ─ header ─> size ─> box ─┬─> rows below the box are not decoded
                                      └─> at 1/2, 1/4 or 1/8, if the box then still has the pixels of the result

    Args:
        size: height and width of the result.
        scale: least and greatest area of the box, as fractions of the image's.
        ratio: least and greatest width / height of the box.
        flip: probability of mirroring the result.
        interpolation: always with antialiasing.

    Raises:
        UserError: for values out of range.
    """

    def __init__(
        self,
        size: int,
        *,
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        flip: float = 0.5,
        interpolation: Interpolation = "bilinear",
    ) -> None:
        if size < 1:
            raise UserError(f"data.crop.size={size} must be at least 1")
        if not 0 < scale[0] <= scale[1] <= 1:
            raise UserError(f"data.crop.scale={list(scale)} must be two fractions of the area, the lower one first")
        if not 0 < ratio[0] <= ratio[1]:
            raise UserError(f"data.crop.ratio={list(ratio)} must be two ratios above 0, the lower one first")
        if not 0 <= flip <= 1:
            raise UserError(f"data.crop.flip={flip} must be between 0 and 1")
        if interpolation not in (choices := ("bilinear", "bicubic")):
            raise UserError(f"data.crop.interpolation={interpolation} {not_one_of(interpolation, choices)}")
        self.size, self.scale, self.ratio = size, (scale[0], scale[1]), (ratio[0], ratio[1])
        self.flip, self.interpolation = flip, interpolation

    def at_size(self, size: int) -> "RandomResizedCrop":
        """The same with another size of the result."""
        return RandomResizedCrop(
            size, scale=self.scale, ratio=self.ratio, flip=self.flip, interpolation=self.interpolation
        )

    def __call__(self, source: Path | Pixels, generator: np.random.Generator) -> Pixels:
        """An image file, or an image (H, W, 3) RGB, to (size, size, 3) RGB.

        Raises:
            UserError: for a file that cannot be decoded, or was cut off.
        """
        image = open_image(source)
        box, flip = self.choose(image, generator)
        return cut_box(image, box, self.size, self.interpolation, flip=flip)

    def choose(self, image: Jpeg | Pixels, generator: np.random.Generator) -> tuple[Box, bool]:
        """The box of an image, and whether the result is mirrored."""
        height, width = (image.height, image.width) if isinstance(image, Jpeg) else image.shape[:2]
        return self.draw(height, width, generator), bool(generator.random() < self.flip)

    def draw(self, height: int, width: int, generator: np.random.Generator) -> Box:
        """A box within an image: the first of ten that fits, else the middle in the nearest allowed shape."""
        low, high = math.log(self.ratio[0]), math.log(self.ratio[1])
        for _ in range(TRIES):
            area = height * width * generator.uniform(*self.scale)
            ratio = math.exp(generator.uniform(low, high))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return Box(int(generator.integers(height - h + 1)), int(generator.integers(width - w + 1)), h, w)
        w, h = width, height
        if width / height < self.ratio[0]:
            h = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            w = round(height * self.ratio[1])
        return Box((height - h) // 2, (width - w) // 2, h, w)


def cut_box(
    source: Path | Jpeg | Pixels, box: Box, size: int, interpolation: Interpolation, *, flip: bool = False
) -> Pixels:
    """The box of an image, resized to (size, size, 3) RGB, and mirrored if `flip`.

    Raises:
        UserError: for a file that cannot be decoded, or was cut off.
    """
    image = open_image(source) if isinstance(source, Path) else source
    part = decode_part(image, box, size) if isinstance(image, Jpeg) else part_of(image, box)
    if flip:  # before it is resized, which gives the same and needs no copy of its own
        import cv2

        part = np.asarray(cv2.flip(part, 1), np.uint8)
    result = antialiased(part, size, size, interpolation)
    return part.copy() if result is part else result  # the image may be read-only


def open_image(source: Path | Pixels) -> Jpeg | Pixels:
    """A JPEG file with its header read, or the pixels of anything else."""
    if isinstance(source, np.ndarray):
        return source
    try:
        return Jpeg(source)
    except (ValueError, OSError):
        return read_rgb(source)


def decode_part(jpeg: Jpeg, box: Box, size: int) -> Pixels:
    """The box of a JPEG file, at the smallest scale at which neither side is below `size`.

    Raises:
        UserError: if it cannot be decoded.
    """
    reduce, inside = at_scale(box, size)
    pixels = jpeg.decode(box.top + box.height, reduce)
    if pixels is None:  # Pillow can read it nevertheless, or reports what is wrong
        return part_of(read_rgb(jpeg.path), box)
    return part_of(pixels, inside)


def at_scale(box: Box, size: int) -> tuple[int, Box]:
    """1, 2, 4 or 8, by which an image can be reduced before it is resized to `size`, and the box in the reduced image.

    At a smaller scale its edges are rounded to whole pixels there, by at most half a pixel of the result.
    """
    reduce = next((n for n in (8, 4, 2) if min(box.height, box.width) >= n * size), 1)
    top, left = round(box.top / reduce), round(box.left / reduce)
    bottom, right = round((box.top + box.height) / reduce), round((box.left + box.width) / reduce)
    return reduce, Box(top, left, bottom - top, right - left)


def part_of(image: Pixels, box: Box) -> Pixels:
    """The box of an image, not copied."""
    return image[box.top : box.top + box.height, box.left : box.left + box.width]
