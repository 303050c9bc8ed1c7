"""Reads each checkpoint file from disk once, however often a command uses it."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from backbones.torch_file import read_checkpoint
from backbones.weight_files import SUFFIX, published_file
from tasks.checkpoint.published import read_published

FILES = 4  # kept at once: a search reads its seed, the network it found, and the trained result


def read_file(path: str | Path) -> dict[str, Any]:
    """read_checkpoint(), or read_published() of a folder of tasks.publish, cached until the file changes.

    The result is shared: callers must not modify it, and must call forget() before passing it on to code that might.

    Raises:
        ValueError: as read_checkpoint().
    """
    path = published_file(Path(path))
    try:
        status = path.stat()
    except OSError:
        return read_checkpoint(path)  # raises the error
    return read_version(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=FILES)
def read_version(path: Path, *_version: int) -> dict[str, Any]:
    """The content of one version of a file."""
    return read_published(path) if path.suffix == SUFFIX else read_checkpoint(path)


def forget() -> None:
    """Clear the cache: a training no longer needs it once it has started."""
    read_version.cache_clear()
