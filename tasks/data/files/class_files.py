"""Label maps from one file per class, and label maps resized to their images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels, nearest
from tasks.data.files.class_values import ClassValues, share
from tasks.data.files.images import image_size, opened_size
from tasks.data.files.label_values import read_values
from tasks.data.files.masks import Masks
from tasks.data.files.opening import shown
from tasks.data.files.orientation import SIDEWAYS, Turned, fits
from tasks.data.files.texts import Texts

MOST_CLASSES = 255  # the last number is void


class ClassFiles(Masks):
    """One file for each class of an image: its pixels are not 0. A missing file has no pixel of its class; where two
    have one, the later class covers the earlier.

    Args:
        paths: (N, C) of each image and class; '' for a missing one.
        names: of the classes, with that of the background first if there is one.
        background: whether class 0 is the pixels of no class; otherwise they are void.
        nearest: half-tones count as the nearer of black and white.
        alpha: the alpha channel holds the label map.

    Raises:
        UserError: for more classes than a label map can have.
    """

    def __init__(
        self,
        paths: Sequence[Sequence[str]],
        names: Sequence[str],
        *,
        background: bool,
        nearest: bool = False,
        alpha: bool = False,
    ) -> None:
        self.names, self.background, self.nearest, self.alpha = tuple(names), background, nearest, alpha
        if len(self.names) > MOST_CLASSES:
            raise UserError(
                f"dataset.masks: {len(self.names):,} texts for {{class}}, such as {', '.join(self.names[1:4])}; "
                f"there may be {MOST_CLASSES} classes: files that hold one object each are to be merged first"
            )
        self.paths = Texts([path for row in paths for path in row])

    def files(self, index: int) -> list[Path | None]:
        """The file of each class; None for a missing one."""
        count = len(self.names) - self.background
        texts = [self.paths[place] for place in range(index * count, (index + 1) * count)]
        return [Path(text) if text else None for text in texts]

    def read(self, index: int) -> Pixels:
        mask = np.full(self.size(index), 0 if self.background else VOID, np.uint8)
        for number, path in enumerate(self.files(index), int(self.background)):
            if path is None:
                continue
            here = self.pixels(path)
            if here.shape != mask.shape:
                raise UserError(f"{path} is {here.shape[1]}×{here.shape[0]}, {self.path(index)} has another size")
            mask[here] = number
        return mask

    def pixels(self, path: Path) -> NDArray[np.bool_]:
        """(H, W) where the class is.

        Raises:
            UserError: for a file with more than two values.
        """
        values = read_values(path, coloured=False, lossy=self.nearest, alpha=self.alpha)
        if self.nearest:
            most = int(values.max())
            return np.asarray(values > (0 if most == 1 else 127 if most <= 255 else most // 2))
        white = int(values.max())
        between = (values != 0) & (values != white)
        if between.any():
            raise UserError(
                f"{shown(path)} has the value {values[between][0]} beside 0 and {white} in {share(between.mean())} of "
                "its pixels; a file of one class has two values: dataset.nearest=true takes the nearer"
            )
        here: NDArray[np.bool_] = values != 0
        return here

    def size(self, index: int) -> tuple[int, int]:
        return image_size(self.path(index))

    def path(self, index: int) -> Path:
        return next(path for path in self.files(index) if path is not None)

    def read_from(self, index: int) -> list[Path]:
        return [path for path in self.files(index) if path is not None]

    def of(self, numbers: Sequence[int]) -> Self:
        rows = [[str(path or "") for path in self.files(number)] for number in numbers]
        return type(self)(rows, self.names, background=self.background, nearest=self.nearest, alpha=self.alpha)


class ResizedMasks(Masks):
    """Label maps resized to the size of their images, each pixel the nearest of the file.

    Args:
        masks: as in the files.
        images: paths of their images.
        upright: whether images are read upright by EXIF; "auto" for those whose label map is.
    """

    def __init__(self, masks: Masks, images: Sequence[str], upright: bool | str) -> None:
        self.masks, self.images, self.upright, self.names = masks, Texts(images), upright, masks.names

    def read(self, index: int) -> Pixels:
        mask, (height, width) = self.masks.read(index), self.size(index)
        if mask.shape == (height, width):
            return mask
        return mask[nearest(mask.shape[0], height)][:, nearest(mask.shape[1], width)]

    def size(self, index: int) -> tuple[int, int]:
        image, mask = opened_size(self.images[index]), Turned(self.masks.size(index), self.turn(index))
        if fits(image, [mask], True) or fits(image, [mask], False):
            return mask.size
        if self.upright == "auto":
            (height, width), (high, wide) = image.size, mask.size
            upright = image.turn >= SIDEWAYS and (mask.turn >= SIDEWAYS or (high > wide) != (height > width))
        else:
            upright = bool(self.upright)
        size = image.seen(upright)
        return size[::-1] if upright and mask.turn >= SIDEWAYS else size

    def turn(self, index: int) -> int:
        return self.masks.turn(index)

    def path(self, index: int) -> Path:
        return self.masks.path(index)

    def read_from(self, index: int) -> Sequence[Path]:
        return self.masks.read_from(index)

    def of(self, numbers: Sequence[int]) -> Self:
        return type(self)(self.masks.of(numbers), [self.images[number] for number in numbers], self.upright)

    def meaning(self) -> str:
        return self.masks.meaning()

    def found(self) -> ClassValues | None:
        return self.masks.found()
