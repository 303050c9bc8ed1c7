"""Image files that two splits share, whatever they are called: their bytes are equal."""

import hashlib
import os
import stat
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Any

from tasks.common.cpu import thread_pool
from tasks.data.files.files import Files
from tasks.data.loading.subset import Subset

PIECE = 4096  # bytes from the middle of a file, which tell most files of one size apart
CHUNK = 64  # files that a thread takes at once

Key = Callable[[Path], Hashable]


def paths_of(samples: Any) -> list[Path]:
    """The image files of a data set's split; [] for one that is not read from files."""
    if isinstance(samples, Subset):
        whole = paths_of(samples.samples)
        return [whole[number] for number in samples.numbers] if whole else []
    return [samples.path(index) for index in range(len(samples))] if isinstance(samples, Files) else []


def same_files(train: Sequence[Path], val: Sequence[Path]) -> list[tuple[Path, Path]]:
    """Pairs of a file of `val` and the first one of `train` with equal bytes, in the order of `val`.

    Only files of a size that both splits have are opened, and only those whose middle is equal too are read as a whole.
    Files that cannot be read are left out.
    """
    ours, theirs = list(train), list(val)
    for key in (size_of, middle_of, digest_of):
        learned, scored = by_key(ours, key), by_key(theirs, key)
        shared = learned.keys() & scored.keys()
        ours, theirs = ([path for value in shared for path in side[value]] for side in (learned, scored))
    first = {path: learned[value][0] for value in shared for path in scored[value]}
    return [(path, first[path]) for path in dict.fromkeys(val) if path in first]


def by_key(paths: Sequence[Path], key: Key) -> dict[Hashable, list[Path]]:
    """Files by what a key makes of them; those that cannot be read are left out."""

    def of(start: int) -> list[Hashable]:
        values: list[Hashable] = []
        for path in paths[start : start + CHUNK]:
            try:
                values.append(key(path))
            except (OSError, ValueError):
                values.append(None)
        return values

    found = defaultdict(list)
    with thread_pool() as pool:
        values = (value for some in pool.map(of, range(0, len(paths), CHUNK)) for value in some)
        for path, value in zip(paths, values, strict=True):
            if value is not None:
                found[value].append(path)
    return dict(found)


def size_of(path: Path) -> Hashable:
    """Bytes of a file; None if it is empty or no regular file."""
    status = path.stat()
    return (status.st_size or None) if stat.S_ISREG(status.st_mode) else None


def middle_of(path: Path) -> Hashable:
    """The size of a file, and some bytes from its middle."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - PIECE) // 2)
        return size, file.read(PIECE)


def digest_of(path: Path) -> Hashable:
    """Digest of all bytes of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").digest()
