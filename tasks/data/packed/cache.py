"""Shards of an address, kept on this machine: downloaded once for all processes, the oldest removed above a limit."""

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.writing import FULL, cannot_write
from tasks.data.files.cache import VARIABLE, cache_folder
from tasks.data.packed.index import Stored
from tasks.data.packed.place import Place

PAUSES = (1.0, 5.0, 30.0)  # seconds between the tries of a download
MINUTES = 60  # that a process may wait for another's download of a shard


class ShardCache:
    """A folder of shards, named by their SHA-256, so that none is ever stale.

    Args:
        folder: None for the one of parsed annotations (MOBILEVISION_CACHE).
        most: bytes of all shards together; a new one may exceed it by itself.

    Raises:
        UserError: if there is no folder to write to.
    """

    def __init__(self, folder: str | Path | None, most: int) -> None:
        found = cache_folder() if folder is None else Path(folder)
        if found is None:
            raise UserError(f"dataset.cache=<folder> must say where shards are kept, because {VARIABLE} has none")
        self.folder, self.most = found / "shards" if folder is None else found, most

    def path(self, place: Place, shard: Stored) -> Path:
        """A shard's file, downloaded if it is not here.

        Raises:
            UserError: for a failed download, one whose bytes are not those of the index, or a full disk.
        """
        path = self.folder / f"{shard.sha256}.tar"
        if not is_there(path, shard):
            from filelock import FileLock, Timeout

            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(f"{path}.lock", timeout=60 * MINUTES):
                    if not is_there(path, shard):
                        self.download(place, shard, path)
            except Timeout as error:
                raise UserError(
                    f"{path}: another process did not finish to download it in {MINUTES} minutes"
                ) from error
            except OSError as error:
                raise UserError(cannot_write(path, error)) from error
        return path

    def download(self, place: Place, shard: Stored, path: Path) -> None:
        """Bring a shard into the folder, at once; the lock is held."""
        self.make_room(shard.bytes)
        beside = path.with_suffix(".partial")
        try:
            fetch(place, shard, beside)
            with beside.open("r+b") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())  # a shard with its own name is whole even after a crash
            if found != shard.sha256:
                size = beside.stat().st_size
                raise UserError(
                    f"{place.shown(shard.file)} is damaged: {size:,} bytes came of {shard.bytes:,}, and their SHA-256 "
                    "is not that of index.json"
                )
            beside.replace(path)
        finally:
            with suppress(OSError):
                beside.unlink()

    def make_room(self, size: int) -> None:
        """Remove the shards that were opened longest ago, and what a kill has left of downloads.

        A process that still reads one keeps it until it closes it; on Windows, an open one is left.
        """
        files = []
        for path in self.folder.glob("*.*"):
            if path.suffix in (".tar", ".partial"):
                with suppress(OSError):
                    status = path.stat()
                    files.append((status.st_mtime_ns, status.st_size, path))
        total = sum(length for _, length, _ in files) + size
        for _, length, path in sorted(files):
            if total <= self.most:
                break
            if path.suffix == ".tar" or not is_locked(path.with_suffix(".tar")):
                with suppress(OSError):
                    path.unlink()
                    total -= length


def fetch(place: Place, shard: Stored, to: Path) -> None:
    """Download a shard; what may pass by itself does not end a training of days.

    Raises:
        UserError: see Place.fetch; once the tries are used up.
    """
    for pause in (*PAUSES, None):
        try:
            place.fetch(shard.file, to, shard.bytes)
        except UserError as error:
            if pause is None or not may_pass(error.__cause__):
                raise
            time.sleep(pause)
        else:
            return


def may_pass(error: BaseException | None) -> bool:
    """Whether a failed download is worth another try: a server that fails, or a connection that was lost."""
    status = getattr(error, "status", None)  # of HTTP
    if isinstance(status, int):
        return status >= 500 or status in (408, 429)
    lasting = isinstance(error, FileNotFoundError | PermissionError | ImportError)
    return error is not None and not lasting and getattr(error, "errno", None) not in FULL


def is_there(path: Path, shard: Stored) -> bool:
    """Whether a shard is here as a whole; it then counts as used."""
    try:
        if path.stat().st_size != shard.bytes:
            return False
    except OSError:
        return False
    with suppress(OSError):  # a folder that others filled may be read-only
        os.utime(path)
    return True


def is_locked(path: Path) -> bool:
    """Whether a process downloads a shard."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(f"{path}.lock", timeout=0):
            return False
    except Timeout:
        return True
