"""What processes that share a file hold: locks that the system takes back from a process however it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.common.errors import UserError


class Locks:
    """Numbered locks: each a byte of one file that a process has locked (POSIX record locks).

    A process id in the study would not do: another process may have it by now, and other machines know nothing of it.
    A process must open the file only once: closing it anywhere gives all its locks back.

    Args:
        path: the file, made where it is not there.

    Raises:
        UserError: where there are no such locks.
    """

    def __init__(self, path: Path) -> None:
        try:
            import fcntl
        except ImportError:  # Windows
            raise UserError("search=blocks needs POSIX file locks, which this system lacks") from None
        self.fcntl, self.path = fcntl, path
        self.file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)

    def take(self, number: int) -> None:
        """Hold a lock, as soon as nobody else does."""
        try:
            self.fcntl.lockf(self.file, self.fcntl.LOCK_EX, 1, number)
        except OSError as error:
            raise UserError(f"{self.path}: no locks on this file system ({error.strerror})") from None

    def try_to_take(self, number: int) -> bool:
        """Hold a lock if no other process does; whether it is so."""
        try:
            self.fcntl.lockf(self.file, self.fcntl.LOCK_EX | self.fcntl.LOCK_NB, 1, number)
        except (BlockingIOError, PermissionError):
            return False
        return True

    def give_back(self, number: int) -> None:
        """Let go of a lock."""
        self.fcntl.lockf(self.file, self.fcntl.LOCK_UN, 1, number)

    @contextmanager
    def held(self, number: int) -> Iterator[None]:
        """Hold a lock meanwhile."""
        self.take(number)
        try:
            yield
        finally:
            self.give_back(number)
