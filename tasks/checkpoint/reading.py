"""A checkpoint file is read from disk once, however many steps of a command ask for it."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from backbones.torch_file import read_checkpoint

FILES = 4  # that are kept: a search reads its seed, what it found, and what was trained


def read_file(path: str | Path) -> dict[str, Any]:
    """What read_checkpoint() gives; of a file that has not changed since, what it gave before.

    It is shared: nobody may change it, and who gives it away calls forget() first.

    Raises:
        ValueError: as read_checkpoint().
    """
    path = Path(path)
    try:
        status = path.stat()
    except OSError:
        return read_checkpoint(path)  # says what is wrong
    return read_version(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=FILES)
def read_version(path: Path, *_version: int) -> dict[str, Any]:
    """The content of a version of a file."""
    return read_checkpoint(path)


def forget() -> None:
    """Free the memory of what was read: a training needs it no more once it has begun."""
    read_version.cache_clear()
