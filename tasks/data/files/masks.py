"""Label maps of a split's images, whatever they are stored as."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from tasks.common.labels import Pixels
from tasks.data.files.class_values import ClassValues
from tasks.data.files.images import image_size
from tasks.data.files.texts import Texts
from tasks.data.files.turns import Turns


class Masks(ABC):
    """The label maps of images, in their order.

    Attributes:
        names: of the classes, in the order of their numbers.
    """

    names: Sequence[str]

    @abstractmethod
    def read(self, index: int) -> Pixels:
        """(H, W) class numbers, 255 for void.

        Raises:
            UserError: for a file that cannot be decoded, or a value that is no class.
        """

    @abstractmethod
    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the label map as `read` returns it, without decoding it."""

    def turn(self, index: int) -> int:  # noqa: ARG002 - of label maps that are no files
        """EXIF orientation of the label map's file, 1 to 8: `read` leaves it as stored."""
        return 1

    @abstractmethod
    def path(self, index: int) -> Path:
        """The file that the label map comes from, for messages."""

    def read_from(self, index: int) -> Sequence[Path]:
        """The files that are read for the label map; none if it is in memory."""
        return [self.path(index)]

    @abstractmethod
    def of(self, numbers: Sequence[int]) -> Self:
        """The label maps of some images, in this order."""

    def meaning(self) -> str:
        """What the files hold and what would be a class, for the message that every pixel is void; '' for nothing."""
        return ""

    def found(self) -> ClassValues | None:
        """The classes if they were found in the files, so that a mistake in one makes a class; None for others."""
        return None


class LabelFiles(Masks):
    """One label file for each image.

    Args:
        paths: of the files.
        names: of the classes.
        convert: reads one file as (H, W) class numbers, 255 for void.
    """

    def __init__(self, paths: Sequence[Path], names: Sequence[str], convert: Callable[[Path], Pixels]) -> None:
        self.paths, self.names, self.convert = Texts([str(path) for path in paths]), tuple(names), convert
        self.turns = Turns(np.zeros(len(self.paths), np.int8))

    def turn(self, index: int) -> int:
        return self.turns.at(index, self.path(index))

    def read(self, index: int) -> Pixels:
        return self.convert(self.path(index))

    def size(self, index: int) -> tuple[int, int]:
        return image_size(self.path(index))

    def path(self, index: int) -> Path:
        return Path(self.paths[index])

    def found(self) -> ClassValues | None:
        values = self.convert
        return values if isinstance(values, ClassValues) and values.found else None

    def of(self, numbers: Sequence[int]) -> Self:
        part = type(self)([self.path(number) for number in numbers], self.names, self.convert)
        part.turns = self.turns.of(numbers)
        return part


def count_classes(mask: Pixels) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """(256,) number of pixels of each class number; the last is void."""
    return np.bincount(mask.ravel(), minlength=256)
