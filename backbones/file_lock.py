"""A lock that processes of one machine share; the system releases it however a process ends."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 0.2  # seconds between two tries on Windows


@contextmanager
def file_lock(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    """Hold the lock of a file within the block, after waiting until no other process does.

    The file is created, and removed afterwards.

    Args:
        waiting: called once if another process holds the lock.

    Yields:
        Whether it is locked; false where the folder cannot be written to or the file system has no locks.
    """
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield False
            return
        locked = wait_for(file, waiting or (lambda: None))
        if not locked or is_at(file, path):
            break
        os.close(file)  # whoever held it has removed it: later processes lock another file
    try:
        yield locked
    finally:
        with suppress(OSError):  # Windows removes no open file: it stays, empty
            path.unlink(missing_ok=True)
        os.close(file)


def is_at(file: int, path: Path) -> bool:
    """Whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except OSError:
        return False


def wait_for(file: int, waiting: Callable[[], None]) -> bool:
    """Lock an open file; false if the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return wait_for_on_windows(file, waiting)
    try:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            waiting()
            fcntl.lockf(file, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def wait_for_on_windows(file: int, waiting: Callable[[], None]) -> bool:
    """As wait_for; msvcrt itself gives up after ten seconds."""
    try:
        import msvcrt
    except ImportError:
        return False
    told = False
    while True:
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]  # of Windows only
        except PermissionError:
            if not told:
                waiting()
            told = True
            time.sleep(PAUSE)
        except OSError:
            return False
        else:
            return True
