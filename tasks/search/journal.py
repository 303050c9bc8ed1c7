"""The journal of an Optuna study, which survives a kill at any moment."""

import os
from pathlib import Path

from optuna.storages.journal import JournalFileOpenLock

from tasks.search.locks import Locks

JOURNAL = 0  # number of the journal's lock


class JournalLock(JournalFileOpenLock):
    """Optuna's lock on the journal, but freed when its process ends; Optuna itself waits 30 seconds for such a lock.

    Taking it removes an incomplete last line left by a killed process, since nothing could be appended to it.
    """

    def __init__(self, journal: Path, locks: Locks) -> None:
        super().__init__(str(journal))
        self.journal, self.locks = journal, locks

    def acquire(self) -> bool:
        self.locks.take(JOURNAL)
        with self.journal.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size and (file.seek(size - 1), file.read(1))[1] != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
        return True

    def release(self) -> None:
        self.locks.give_back(JOURNAL)
