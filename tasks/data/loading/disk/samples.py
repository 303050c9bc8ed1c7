"""Samples whose images and label maps come from a file of decoded ones; all other labels are those of the data set."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.console import report
from tasks.data.files.files import Files, View
from tasks.data.files.samples import Arrays
from tasks.data.loading.disk.build import Loader, Wanted, find_or_build
from tasks.data.loading.disk.file import FILE_SIZE, SIZE, ImageFile
from tasks.data.loading.disk.folder import SUFFIX, gb
from tasks.data.loading.disk.key import UnknownError, key_of
from tasks.data.loading.subset import Subset


class OnDisk:
    """Samples read from a file of decoded images; what it lacks is read from the data set's own files.

    Args:
        samples: the whole.
        base: the data set's, of which `samples` may be a subset.
        numbers: (N,) index in `base` of each sample.
        places: (N,) row in the file of each sample.
        view: made the file's images; None if they are whole, and views are applied to them.
    """

    def __init__(
        self,
        samples: Any,
        base: Any,
        numbers: NDArray[np.int64],
        places: NDArray[np.int64],
        file: ImageFile,
        view: View | None,
    ) -> None:
        self.samples, self.base, self.numbers, self.places = samples, base, numbers, places
        self.file, self.view = file, view

    def __len__(self) -> int:
        return len(self.places)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "samples":  # of a copy that is being made
            raise AttributeError(name)
        return getattr(self.samples, name)  # labels, counts, boxes

    def name(self, index: int) -> str:
        result: str = self.samples.name(index)
        return result

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image that `read` returns without a view."""
        place = self.places[index]
        height, width = self.file.table[place, FILE_SIZE if self.view is not None else SIZE].tolist()
        if height > 0:
            return height, width
        height, width = self.samples.size(index)
        return height, width

    def read(self, index: int, view: View | None = None) -> Arrays:
        """See Samples; boxes follow an image that was shrunk. The image is read-only."""
        place = int(self.places[index])
        image = self.file.image(place) if self.view is None or view is self.view else None
        if image is None:
            arrays: Arrays = self.samples.read(index, view)
            return arrays
        height, width = image.shape[:2]
        sample: Arrays = {"image": image if view is None or self.view is not None else view(image)}
        mask = self.file.mask(place)
        if mask is not None:
            sample["mask"] = mask.copy()
        sample |= self.base.labels_in_memory(int(self.numbers[index]))
        if self.view is None and "bboxes" in sample:
            tall, wide = self.file.table[place, FILE_SIZE].tolist()
            if (tall, wide) != (height, width):
                sample["bboxes"][:, :4] *= np.array([width / wide, height / tall] * 2, np.float32)
        return sample

    def annotations(self, index: int) -> Annotations:
        """The boxes as in the data set's file, in pixels of the image file."""
        result: Annotations = self.samples.annotations(index)
        return result


class Keeper(NamedTuple):
    """Keeps samples on the disk.

    Attributes:
        folder: of the files.
        limit: of all of them, in GB; None for none.
        load: see build.py.
    """

    folder: Path
    limit: float | None
    load: Loader

    def keep(self, samples: Any, name: str, *, view: View | None = None, side: int | None = None) -> Any:
        """Samples (see Samples) with their images and label maps in one file, which is made if there is none.

        Samples that are not read from files are in memory and stay so; those of a package that is not ours, whose files
        could change unnoticed, are read as before. Both are said.

        Args:
            name: of the images, in the file's name.
            view: makes the images as they are scored; None keeps them whole.
            side: length to which the shorter side of images is shrunk; None for none.

        Raises:
            UserError: if there is no room for them.
        """
        if isinstance(samples, OnDisk):
            return samples
        base, numbers = whole_of(samples)
        if not isinstance(base, Files) or not hasattr(base, "labels_in_memory"):
            report(f"cache: {name} images are not files of their own: they are read as without data.cache=disk")
            return samples
        rows, places = np.unique(numbers, return_inverse=True)
        masked = getattr(base, "masks", None) is not None
        try:
            key = key_of(base, rows, view, side)
        except UnknownError:
            try:
                view, key = None, key_of(base, rows, None, side)  # the view is applied to whole images
            except UnknownError as error:
                report(f"cache: {error} is not ours: {name} images are read as without data.cache=disk")
                return samples
        wanted = Wanted(base, rows, view, side, masked)
        return OnDisk(samples, base, numbers, places.reshape(-1), self.opened(name, key, wanted), view)

    def opened(self, name: str, key: str, wanted: Wanted) -> ImageFile:
        """The file of these images, made if there is none or it is damaged."""
        path = self.folder / f"{name}-{key}{SUFFIX}"
        try:
            file = ImageFile(path, key)
        except (OSError, ValueError):
            file = find_or_build(path, key, wanted, self.limit, self.load)
        with suppress(OSError):
            os.utime(path)  # when it was used last
        return file

    def line(self, kept: Sequence[Any]) -> str:
        """What the terminal says about samples on the disk; '' if there are none."""
        files = [samples.file for samples in kept if isinstance(samples, OnDisk)]
        images, size = sum(map(len, files)), sum(file.size for file in files)
        return f"cache: {images:,} images, {gb(size)}, in {self.folder}" if files else ""


def whole_of(samples: Any) -> tuple[Any, NDArray[np.int64]]:
    """The samples of which these are a subset, and the index of each in them."""
    numbers = np.arange(len(samples))
    while isinstance(samples, Subset):
        samples, numbers = samples.samples, np.asarray(samples.numbers, np.int64)[numbers]
    return samples, numbers
