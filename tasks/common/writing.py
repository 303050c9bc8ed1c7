"""Files that a kill or a full disk cannot halve: written beside their place, which they take when they are whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tasks.common.errors import UserError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write into, which takes the place of `path` at the end; if anything fails, `path` stays as it was.

    Raises:
        UserError: for a disk that is full, a folder that cannot be written to, and the like.
    """
    beside = path.with_name(f".{path.name}.partial")  # the same name each time: what a kill leaves is overwritten
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with beside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise UserError(cannot_write(path, error)) from error
    finally:
        with suppress(OSError):  # after a failure it is in the way, or never was
            beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, or not at all.

    Raises:
        UserError: as replacing().
    """
    with replacing(path) as file:
        file.write(text.encode())


def cannot_write(path: Path, error: OSError) -> str:
    """What went wrong, how much room there is, and what can be done."""
    room = kept = ""
    with suppress(OSError):  # a closed folder tells neither
        folder = next((folder for folder in path.parents if folder.is_dir()), Path("/"))
        room = f" ({shutil.disk_usage(folder).free / 1e6:,.1f} MB are free)"
        kept = f"; the {path.name} of before is whole" if path.is_file() else ""
    after = f": make room, then go on with resume={path}" if kept and path.name == "last.ckpt" else ""
    return f"cannot write {path}: {error.strerror or error}{room}{kept}{after}"
