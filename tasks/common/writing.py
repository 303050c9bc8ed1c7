"""Atomic writes: files are written beside their target and renamed, so a kill or a full disk leaves no partial file."""

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from tasks.common.errors import LAST, UserError

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # errors of a disk without room, or of a limit


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that replaces `path` at the end; if anything fails, `path` is unchanged.

    Raises:
        UserError: for a full disk, a folder without write permission, and the like.
    """
    beside = path.with_name(f".{path.name}.partial")  # always the same name: leftovers of a kill are overwritten
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
        with suppress(OSError):  # left over after a failure, if it was created at all
            beside.unlink()


def write_text(path: Path, text: str) -> None:
    """Write a text file completely, or not at all.

    Raises:
        UserError: as replacing().
    """
    with replacing(path) as file:
        file.write(text.encode())


def cannot_write(path: Path, error: OSError) -> str:
    """An error message: what went wrong, how much space is free, and what can be done."""
    room = kept = ""
    with suppress(OSError):  # an unreadable folder allows neither
        folder = next((folder for folder in path.parents if folder.is_dir()), Path("/"))
        room = f" ({shutil.disk_usage(folder).free / 1e6:,.1f} MB are free)"
        kept = f"; the {path.name} of before is whole" if path.is_file() else ""
    after = f": make room, then go on with resume={path}" if kept and path.name == LAST else ""
    return f"cannot write {path}: {error.strerror or error}{room}{kept}{after}"
