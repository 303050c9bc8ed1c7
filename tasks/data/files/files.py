"""Image files with one label each, in lists that worker processes share without copying."""

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.images import look, opened_size, read_rgb
from tasks.data.files.orientation import Size, Upright
from tasks.data.files.texts import Texts
from tasks.data.files.turns import Turns

View = Callable[[Path | Pixels], Pixels]


class Files:
    """Image files below one folder.

    Args:
        folder: the folder of the images.
        files: their paths relative to it.

    Attributes:
        white: see read_rgb.
        upright: whether images are turned by their EXIF orientation; "auto" of images without labels that have a place
            in them is true: people label what viewers show.
        turns: the orientations that were read so far.
    """

    white: float | None = None

    def __init__(self, folder: Path, files: Sequence[str], upright: Upright = False) -> None:
        self.folder, self.files, self.upright = folder, Texts(files), upright
        self.turns = Turns(np.zeros(len(self.files), np.int8))

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> Path:
        """Path of the image."""
        return self.folder / self.files[index]

    def name(self, index: int) -> str:
        """The path below the folder, usable as a file name."""
        return self.files[index].replace("/", "__")

    def pixels(self, index: int, view: View | None = None) -> Pixels:
        """The image (H, W, 3) uint8 RGB as `upright` says, or what a view makes of it."""
        path = self.path(index)
        turn = self.upright is not False and self.turns.at(index, path) != 1
        return decode(path, view, self.white, upright=turn)

    def follow(self, upright: bool) -> None:
        """Read images without places upright or as stored, if nothing is said about them."""
        if self.upright == "auto":
            self.upright = upright

    def of(self, numbers: Sequence[int]) -> Self:
        """Some of the images with their labels, in this order."""
        part = copy(self)
        part.files, part.turns = self.files.of(numbers), self.turns.of(numbers)
        return part


def decode(path: Path, view: View | None = None, white: float | None = None, *, upright: bool = False) -> Pixels:
    """Decode an image file to (H, W, 3) uint8 RGB, or apply a view, which gets the path if it can read files itself.

    Args:
        white, upright: see read_rgb.
    """
    if white is None and not upright:
        return (view or read_rgb)(path)
    image = read_rgb(path, upright=upright, white=white)
    return image if view is None else view(image)


class LabelledFiles(Files):
    """Image files below one folder, each with one class.

    Args:
        folder, files: see Files.
        labels: their classes' numbers.
        upright: see Files; official sets are read as stored, as their published scores were made.
    """

    def __init__(self, folder: Path, files: Sequence[str], labels: Sequence[int], *, upright: Upright = False) -> None:
        super().__init__(folder, files, upright)
        self.labels: NDArray[np.int64] = np.asarray(labels, np.int64)

    def of(self, numbers: Sequence[int]) -> Self:
        part = super().of(numbers)
        part.labels = self.labels[list(numbers)]
        return part

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of all images."""
        return self.labels

    def size(self, index: int) -> Size:
        """(height, width) of the image as it is read, from its header."""
        return opened_size(self.path(index)).seen(self.upright is not False)

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB and `label` () int64.

        Args:
            view: makes the image from its path; None decodes all of it.

        Raises:
            UserError: for a file that cannot be decoded.
        """
        return {"image": self.pixels(index, view), **self.labels_in_memory(index)}

    def labels_in_memory(self, index: int) -> dict[str, NDArray[Any]]:
        """The labels of `read` for which no file is read."""
        return {"label": np.asarray(self.labels[index])}

    def check(self) -> Iterator[UserError | None]:
        """Check every file's header and end once; yields the error, or None."""

        def problem(index: int) -> UserError | None:
            try:
                self.turns.known[index] = look(self.path(index), self.white).turn
            except UserError as error:
                return error
            return None

        with thread_pool() as pool:
            yield from pool.map(problem, range(len(self)))
