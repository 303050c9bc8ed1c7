"""Locks for processes that share a file; the system releases them however a process ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.common.errors import UserError


class Locks:
    """Numbered locks: each is a locked byte of one file (POSIX record locks).

    A process id stored in the study would not do: ids are reused, and other machines cannot check them. A process must
    open the file only once: closing it anywhere releases all of the process's locks.

    Args:
        path: the file; created if missing.

    Raises:
        UserError: if the system has no such locks.
    """

    def __init__(self, path: Path) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            raise UserError("search=blocks and search=recipe need POSIX file locks, which this system lacks") from None
        self.fcntl, self.path = fcntl, path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, number: int) -> None:
        """Take a lock; wait until it is free."""
        try:
            self.fcntl.lockf(self.file, self.fcntl.LOCK_EX, 1, number)
        except OSError as error:
            raise UserError(f"{self.path}: no locks on this file system ({error.strerror})") from None

    def try_to_take(self, number: int) -> bool:
        """Take a lock if no other process holds it; return whether it was taken."""
        try:
            self.fcntl.lockf(self.file, self.fcntl.LOCK_EX | self.fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def give_back(self, number: int) -> None:
        """Release a lock."""
        self.fcntl.lockf(self.file, self.fcntl.LOCK_UN, 1, number)

    @contextmanager
    def held(self, number: int) -> Iterator[None]:
        """Hold a lock within the block."""
        self.take(number)
        try:
            yield
        finally:
            self.give_back(number)
