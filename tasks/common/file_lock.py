"""A lock that processes of one machine share; the system releases it however a process ends."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def file_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of a file within the block, after waiting until no other process does.

    The file is created, and removed afterwards: a process that waited for a removed file must look again for what the
    first has made, before it makes it.

    Yields:
        Whether it is locked; false where the folder cannot be written to or the file system has no locks.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:
        yield False
        return
    try:
        yield wait_for(file)
    finally:
        with suppress(OSError):  # Windows removes no open file: it stays, empty
            path.unlink(missing_ok=True)
        os.close(file)


def wait_for(file: int) -> bool:
    """Lock an open file; false if the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return wait_for_on_windows(file)
    try:
        fcntl.lockf(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def wait_for_on_windows(file: int) -> bool:
    """As wait_for; msvcrt itself gives up after ten seconds."""
    try:
        import msvcrt
    except ImportError:
        return False
    while True:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # of Windows only
        except PermissionError:
            time.sleep(0.2)
        except OSError:
            return False
        else:
            return True
