"""One file of decoded images and label maps: a head, a table, the pixels."""

import mmap
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.labels import Pixels

MAGIC = b"mobilevision images 1".ljust(32)
HEAD = 96  # bytes: MAGIC, the key's 32 digits, images, bytes of the whole file, two spare numbers
ALIGNED = 64  # bytes, at which images begin
# Columns of the table, int64. Sizes are (height, width); `at` is -1 for what the file does not have.
AT, SIZE, FILE_SIZE, MASK_AT, MASK_SIZE = 0, slice(1, 3), slice(3, 5), 5, slice(6, 8)
COLUMNS = 8

Table = NDArray[np.int64]


class ImageFile:
    """A finished file, open for reading; a copy in another process opens it again.

    Args:
        path: of the file.
        key: what it must have been made from.

    Raises:
        OSError: if it cannot be opened.
        ValueError: if it is none, is cut off, or has another key.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key
        self.file = path.open("rb")
        try:
            self.size = os.fstat(self.file.fileno()).st_size
            if self.size < HEAD:
                raise ValueError("no head")
            self.map = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
            self.bytes: Pixels = np.frombuffer(self.map, np.uint8)
            self.table = read_table(self.bytes, key)
        except ValueError:
            self.file.close()
            raise
        hold(self.file)

    def __reduce__(self) -> tuple[type[Self], tuple[Path, str]]:
        return type(self), (self.path, self.key)

    def __len__(self) -> int:
        return len(self.table)

    def image(self, row: int) -> Pixels | None:
        """(H, W, 3) uint8, read-only and not copied; None for one that the file does not have."""
        at, height, width = self.table[row, :3].tolist()
        return None if at < 0 else self.bytes[at : at + 3 * height * width].reshape(height, width, 3)

    def mask(self, row: int) -> Pixels | None:
        """(H, W) uint8, read-only and not copied; None without a label map."""
        at, height, width = self.table[row, 5:8].tolist()
        return None if at < 0 else self.bytes[at : at + height * width].reshape(height, width)


def read_table(content: Pixels, key: str) -> Table:
    """The table of a file (N, COLUMNS).

    Raises:
        ValueError: for a head of another kind or key, and for places outside of the file.
    """
    head = content[:HEAD].tobytes()
    count, size = np.frombuffer(head, "<i8", 2, 64).tolist()
    if head[:32] != MAGIC or head[32:64] != key.encode():
        raise ValueError("another kind, or another key")
    if size != len(content) or not 0 <= count <= (size - HEAD) // (8 * COLUMNS):
        raise ValueError(f"{len(content)} of {size} bytes")
    table = content[HEAD : HEAD + 8 * COLUMNS * count].view("<i8").reshape(count, COLUMNS)
    for place, sizes, channels in ((AT, SIZE, 3), (MASK_AT, MASK_SIZE, 1)):
        at, shape = table[:, place], table[:, sizes]
        there = at >= 0
        if (shape[there] < 1).any() or (shape[there] > 1 << 20).any():
            raise ValueError("impossible sizes")
        if (at[there] > size - channels * shape[there].prod(1)).any():
            raise ValueError("images outside of the file")
    return table


def lay_out(sizes: NDArray[np.int64], files: NDArray[np.int64], masks: NDArray[np.int64] | None) -> tuple[Table, int]:
    """The table of a file to write, and its bytes.

    Args:
        sizes: (N, 2) of the images to keep; 0 for one that cannot be read.
        files: (N, 2) of the image files.
        masks: (N, 2) of the label maps; None without.
    """
    table = np.full((len(sizes), COLUMNS), -1, np.int64)
    table[:, SIZE], table[:, FILE_SIZE] = sizes, files
    table[:, MASK_SIZE] = 0 if masks is None else masks
    images = -(-3 * sizes.prod(1) // ALIGNED) * ALIGNED
    labels = np.zeros(len(sizes), np.int64) if masks is None else -(-masks.prod(1) // ALIGNED) * ALIGNED
    labels[images == 0] = 0
    first = -(-(HEAD + table.nbytes) // ALIGNED) * ALIGNED
    ends = first + np.cumsum(images + labels)
    table[:, AT] = np.where(images > 0, ends - images - labels, -1)
    table[:, MASK_AT] = np.where(labels > 0, ends - labels, -1)
    return table, int(ends[-1]) if len(ends) else first


def head_of(key: str, table: Table, size: int) -> bytes:
    """The head and the table as bytes."""
    numbers = np.array([len(table), size, 0, 0], "<i8")
    return MAGIC + key.encode() + numbers.tobytes() + table.astype("<i8").tobytes()


def hold(file: Any) -> None:
    """Mark an open file as in use until it is closed, in the processes forked later as well; nothing on Windows."""
    with suppress(ImportError, OSError):
        import fcntl

        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


def in_use(path: Path) -> bool:
    """Whether a process of this machine reads the file; False if the system has no such locks."""
    try:
        import fcntl

        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    return False
