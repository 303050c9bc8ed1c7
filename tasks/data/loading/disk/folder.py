"""The folder of the files of decoded images: one writer at a time, and a limit of its size."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from backbones.file_lock import file_lock
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.writing import FULL
from tasks.data.loading.disk.file import in_use

SUFFIX, UNFINISHED = ".images", ".new-"
GB = 10**9
OTHERWISE = "data.cache_folder=… names another place, data.cache=false needs none"


@contextmanager
def one_writer(folder: Path) -> Iterator[None]:
    """The folder, made if need be, with other processes' writing kept out; a lock ends with its process.

    On file systems without locks two may write the same images under two names: the last one stays.

    Raises:
        UserError: for a folder that cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None
    said = f"cache: another process writes to {folder}: waiting for it"
    with file_lock(folder / ".lock", lambda: report(said)) as locked:
        if locked:
            remove_unfinished(folder)
        yield


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes left; the lock's owner knows that nobody else writes."""
    for left in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError):
            left.unlink()


def make_room(folder: Path, size: int, limit: float | None, what: str) -> None:
    """Remove the files used longest ago until another one fits below the limit; those in use stay.

    Args:
        size: of the file to write, in bytes.
        limit: of all files, in GB (10⁹ bytes); None for none.
        what: would be written, for messages.

    Raises:
        UserError: if it cannot fit below the limit or on the disk.
    """
    kept = sorted((file.stat().st_mtime_ns, file.stat().st_size, file) for file in folder.glob(f"*{SUFFIX}"))
    used = sum(bytes for _, bytes, _ in kept)
    smaller = "data.cache_side=256 shrinks training images"
    if limit is not None and size > limit * GB:
        raise UserError(f"data.cache=disk: {what} need {gb(size)}, data.cache_gb={limit:g} allows less; {smaller}")
    for _, bytes, file in kept:
        if limit is None or used + size <= limit * GB:
            break
        if not in_use(file):
            with suppress(OSError):
                file.unlink()
                used -= bytes
                report(f"cache: {file} ({gb(bytes)}) removed: data.cache_gb={limit:g} allows no more")
    if limit is not None and used + size > limit * GB:
        raise UserError(
            f"data.cache=disk: {what} need {gb(size)}, and {gb(used)} of data.cache_gb={limit:g} in {folder} are in "
            "use by other runs: raise data.cache_gb, or wait for them"
        )
    free = shutil.disk_usage(folder).free
    if size > free:
        held = f" ({gb(used)} are files of other data there)" if used else ""
        raise UserError(
            f"data.cache=disk: {what} need {gb(size)} in {folder}, which has {gb(free)} free{held}; {smaller}, "
            + OTHERWISE
        )


def reserve(folder: Path, size: int) -> Path:
    """A new file of so many bytes, whose place on the disk is taken.

    Raises:
        UserError: if it cannot be made.
    """
    path = folder / f"{UNFINISHED}{uuid.uuid4().hex}"
    try:
        with path.open("xb") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except (AttributeError, OSError) as error:  # Windows; file systems that cannot
                if isinstance(error, OSError) and error.errno in FULL:
                    raise
                file.truncate(size)
    except OSError as error:
        with suppress(OSError):
            path.unlink()
        raise unwritable(folder, error) from None
    return path


def unwritable(folder: Path, error: OSError) -> UserError:
    """Error for a folder or a disk that cannot be written."""
    return UserError(f"data.cache=disk cannot write to {folder}: {error.strerror or error}; {OTHERWISE}")


def gb(bytes: float) -> str:
    """A number of bytes for a message."""
    return f"{bytes / GB:,.1f} GB" if bytes >= GB / 10 else f"{bytes / 1e6:,.1f} MB"
