"""Makes a file of decoded images: every image is read once, by as many processes as train."""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import nearest
from tasks.data.files.files import View
from tasks.data.files.samples import Arrays
from tasks.data.loading.disk.file import AT, MASK_AT, MASK_SIZE, SIZE, ImageFile, Table, head_of, lay_out
from tasks.data.loading.disk.folder import gb, make_room, one_writer, reserve, unwritable
from tasks.data.transforms.resize import antialiased

CHUNK = 16  # images that a process reads at once
EVERY = 10.0  # seconds between two lines about the progress

Loader = Callable[[Dataset[Any], Sequence[Any]], Any]  # a data set and the indices of its items to an iterable


class Wanted(NamedTuple):
    """Images to keep.

    Attributes:
        samples: see Samples.
        rows: their indices.
        view: makes each; None for the image of the file.
        side: length to which the shorter side is shrunk; None for the file's. Not with a view.
        masked: whether they have label maps: at the image's size, with a view at the file's.
    """

    samples: Any
    rows: NDArray[np.int64]
    view: View | None
    side: int | None
    masked: bool

    def read(self, row: int) -> Arrays:
        """The image as it is kept, and its `mask`.

        Raises:
            UserError: for a file that cannot be read.
        """
        if self.view is not None:
            sample: Arrays = self.samples.read(row, self.view)
            return sample
        sample = self.samples.read(row)
        height, width = sample["image"].shape[:2]
        height, width = shrunk(height, width, self.side)
        made = {"image": antialiased(sample["image"], height, width)}
        if self.masked:
            high, wide = sample["mask"].shape
            mask = sample["mask"]
            made["mask"] = (
                mask if (high, wide) == (height, width) else mask[nearest(high, height)][:, nearest(wide, width)]
            )
        return made

    def sizes(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N, 2) sizes of the images to keep, and of their files from their headers; 0 for those without one."""

        def size(row: int) -> tuple[int, int]:
            try:
                height, width = self.samples.size(row)
            except UserError:
                return 0, 0
            return height, width

        with thread_pool() as pool:
            files = np.array(list(pool.map(size, self.rows.tolist())), np.int64).reshape(-1, 2)
        if self.view is None:
            kept = np.array([shrunk(height, width, self.side) for height, width in files.tolist()], np.int64)
            return kept.reshape(-1, 2), files
        return np.where(files > 0, np.array(self.viewed_size(files), np.int64), 0), files

    def viewed_size(self, files: NDArray[np.int64]) -> tuple[int, int]:
        """The size that the view makes, as of the first image that can be read."""
        for row in self.rows[files.all(1)].tolist():
            try:
                height, width = self.samples.read(row, self.view)["image"].shape[:2]
            except UserError:
                continue
            return height, width
        return 0, 0


def shrunk(height: int, width: int, side: int | None) -> tuple[int, int]:
    """(height, width) of an image with its shorter side shrunk to `side`; a smaller one keeps its size."""
    shorter = min(height, width)
    if side is None or shorter <= side:
        return height, width
    return max(1, round(height * side / shorter)), max(1, round(width * side / shorter))


class Writing(Dataset[list[int]]):
    """Writes images into a file where its table says; gives the places of those that are not as planned."""

    def __init__(self, path: Path, wanted: Wanted, table: Table) -> None:
        self.path, self.wanted, self.table = path, wanted, table

    def __getitem__(self, places: Sequence[int]) -> list[int]:
        with self.path.open("r+b") as file:
            return [place for place in places if not self.write(file, place)]

    def write(self, file: Any, place: int) -> bool:
        """Write an image and its label map; whether both have the expected sizes."""
        try:
            sample = self.wanted.read(int(self.wanted.rows[place]))
        except UserError:
            return False
        for key, at, size in (("image", AT, SIZE), ("mask", MASK_AT, MASK_SIZE)):
            if self.table[place, at] < 0:
                continue
            array = np.ascontiguousarray(sample[key])
            if array.dtype != np.uint8 or array.shape[:2] != tuple(self.table[place, size].tolist()):
                return False
            file.seek(int(self.table[place, at]))
            file.write(array)
        return True


def find_or_build(path: Path, key: str, wanted: Wanted, limit: float | None, load: Loader) -> ImageFile:
    """The file of these images, made unless there is one that is whole: another process may have made it meanwhile.

    It is written under another name and renamed when it is whole. An image that cannot be read is left out: whoever
    asks for it reads its file and gets the error.

    Args:
        limit: see make_room().

    Raises:
        UserError: if there is no room for it.
    """
    with one_writer(path.parent):
        try:
            return ImageFile(path, key)
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            print(f"cache: {path} is damaged ({error}): writing it again", flush=True)
        build(path, key, wanted, limit, load)
        return ImageFile(path, key)


def build(path: Path, key: str, wanted: Wanted, limit: float | None, load: Loader) -> None:
    """Write the file, which only this process does."""
    begin = time.monotonic()
    kept, files = wanted.sizes()
    table, size = lay_out(kept, files, None if not wanted.masked else kept if wanted.view is None else files)
    count = len(table)
    make_room(path.parent, size, limit, f"{count:,} decoded images")
    beside = reserve(path.parent, size)
    try:
        there = np.flatnonzero(table[:, AT] >= 0).tolist()
        chunks = [there[start : start + CHUNK] for start in range(0, len(there), CHUNK)]
        said, done = begin, 0
        print(f"cache: writing {count:,} images, {gb(size)}, to {path.parent}", flush=True)
        for lost in load(Writing(beside, wanted, table), chunks):
            table[lost, AT] = -1
            done += CHUNK
            if (now := time.monotonic()) - said > EVERY:
                said = now
                print(f"cache: {min(done, count):,} of {count:,} images, {now - begin:.0f} s", flush=True)
        finish(beside, head_of(key, table, size))
        beside.replace(path)
    except OSError as error:
        raise unwritable(path.parent, error) from None
    finally:
        beside.unlink(missing_ok=True)
    print(f"cache: {count:,} images written in {time.monotonic() - begin:.1f} s", flush=True)


def finish(path: Path, head: bytes) -> None:
    """Write head and table, and wait until all is on the disk: a file with its name is whole even after a crash."""
    with path.open("r+b") as file:
        file.write(head)
        file.flush()
        os.fsync(file.fileno())
