"""Where an Optuna study is kept so that processes share it: a journal file, or a database by its URL.

Both answer the same questions: who may decide now, whose trial is it, and which trials has nobody any more.
"""

import os
import socket
import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import optuna
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import IntegrityError, NoSuchModuleError, SQLAlchemyError

from tasks.common.errors import UserError
from tasks.search.database import check_database, with_password
from tasks.search.journal import JOURNAL, JournalLock
from tasks.search.locks import Locks

STUDY, TRIALS = JOURNAL + 1, JOURNAL + 2  # numbers of a journal's locks: decisions, trial 0 and following
BEAT, SILENCE = 10, 60  # seconds between signs of life of a trial, and without one until it is given up
URLS = ("sqlite:///<file>", "postgresql+psycopg://…", "mysql+pymysql://…")  # others of SQLAlchemy may do
TOGETHER = 20  # processes that may be in each other's way when they make a database
TABLE = "mobilevision_locks"  # of a database: a row for each study in which a process decides


class Shared(ABC):
    """A storage that processes share.

    Attributes:
        storage: Optuna's.
    """

    storage: BaseStorage

    @abstractmethod
    def deciding(self) -> AbstractContextManager[None]:
        """A context in which no other process decides."""

    @abstractmethod
    def claim(self, trial: Trial) -> None:
        """Take a trial, as long as this process lives."""

    @abstractmethod
    def release(self, trial: Trial | FrozenTrial) -> None:
        """Give back a trial that has ended."""

    @abstractmethod
    def abandoned(self, study: optuna.Study) -> list[FrozenTrial]:
        """Trials that run according to the study, but in no process. Only while deciding."""


class Journal(Shared):
    """A journal file, with POSIX locks in a file next to it, which the system frees however a process ends.

    Args:
        path: created if missing.

    Raises:
        OSError: if it cannot be written.
        UserError: if the system has no such locks, and for a path of no regular file: a device may be read for ever.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() and not path.is_file():
            raise UserError(f"search.study={path} is no file: a journal, or a URL of {', '.join(URLS)}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()  # before a file of locks lies beside what cannot be a journal
        self.locks = Locks(path.with_name(f"{path.name}.locks"))
        self.path, self.mine = path, set[int]()
        with self.deciding():
            self.storage = JournalStorage(JournalFileBackend(str(path), JournalLock(path, self.locks)))

    def deciding(self) -> AbstractContextManager[None]:
        return self.locks.held(STUDY)

    def claim(self, trial: Trial) -> None:
        self.locks.take(TRIALS + trial.number)
        self.mine.add(trial.number)

    def release(self, trial: Trial | FrozenTrial) -> None:
        self.mine.discard(trial.number)
        self.locks.give_back(TRIALS + trial.number)

    def abandoned(self, study: optuna.Study) -> list[FrozenTrial]:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        others = [trial for trial in running if trial.number not in self.mine]  # one's own lock can be taken again
        return [trial for trial in others if self.locks.try_to_take(TRIALS + trial.number)]


class Database(Shared):
    """A database, by SQLAlchemy's URL. A process writes signs of life for its trials, by the database's clock.

    Args:
        url: without a password, see tasks/search/database.py.

    Raises:
        UserError: for a database that cannot be opened, or a SQLite file on a network file system.
    """

    def __init__(self, url: str) -> None:
        check_database(url)
        try:
            self.database = opened(url)
            self.storage, self.engine = self.database, self.database.engine
            columns = (sqlalchemy.Column("name", sqlalchemy.String(64), primary_key=True),)
            self.table = sqlalchemy.Table(
                TABLE, sqlalchemy.MetaData(), *columns, sqlalchemy.Column("owner", sqlalchemy.String(64))
            )
            with suppress(SQLAlchemyError):  # another process has made it meanwhile
                self.table.create(self.engine, checkfirst=True)
            self.database.get_all_studies()  # a database of something else may have tables of these names
        except NoSuchModuleError:
            raise UserError(f"search.study={url}: no such database: a file, {', '.join(URLS)}") from None
        except ImportError:
            driver = sqlalchemy.make_url(url).get_driver_name()
            raise UserError(f"search.study={url}: its driver {driver} is missing: pip install it") from None
        except (SQLAlchemyError, StorageInternalError, RuntimeError, ValueError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            line = str(getattr(cause, "orig", None) or error).strip().splitlines()[0]
            raise UserError(f"search.study={url}: {line}") from None
        self.mine: set[int] = set()  # ids of this process's trials
        self.over = threading.Event()
        threading.Thread(target=self.live, name="trials", daemon=True).start()

    def live(self) -> None:
        """Write signs of life until the process ends."""
        while not self.over.wait(BEAT):
            for number in tuple(self.mine):
                with suppress(Exception):  # a database that is away for a moment
                    self.database.record_heartbeat(number)

    @contextmanager
    def deciding(self) -> Iterator[None]:
        owner, seen, since = f"{os.getpid()} {uuid.uuid4().hex}"[:64], "", time.monotonic()
        while (other := self.taken(owner)) is not None:
            if other != seen:
                seen, since = other, time.monotonic()
            elif time.monotonic() - since > SILENCE:  # it was killed while it decided
                self.drop(other)
            time.sleep(0.05)
        try:
            yield
        finally:
            self.drop(owner)

    def taken(self, owner: str) -> str | None:
        """Take the lock; returns None, or the process that has it."""
        try:
            with self.engine.begin() as connection:
                connection.execute(self.table.insert().values(name="study", owner=owner))
        except IntegrityError:
            with self.engine.begin() as connection:
                return connection.execute(sqlalchemy.select(self.table.c.owner)).scalar() or ""
        return None

    def drop(self, owner: str) -> None:
        """Free the lock if this process still has it."""
        with self.engine.begin() as connection:
            connection.execute(self.table.delete().where(self.table.c.owner == owner))

    def claim(self, trial: Trial) -> None:
        self.database.record_heartbeat(trial._trial_id)
        self.mine.add(trial._trial_id)

    def release(self, trial: Trial | FrozenTrial) -> None:
        self.mine.discard(trial._trial_id)

    def abandoned(self, study: optuna.Study) -> list[FrozenTrial]:
        stale = set(self.database._get_stale_trial_ids(study._study_id)) - self.mine
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [trial for trial in running if trial._trial_id in stale]


def opened(url: str) -> RDBStorage:
    """A database with Optuna's tables, which processes that find none may make at the same time.

    Raises:
        SQLAlchemyError, StorageInternalError: if it cannot be opened.
    """
    for _ in range(TOGETHER):
        try:
            return RDBStorage(with_password(url), heartbeat_interval=BEAT, grace_period=SILENCE)
        except (SQLAlchemyError, StorageInternalError) as error:
            cause = error.__cause__ if isinstance(error, StorageInternalError) else error
            if not isinstance(cause, IntegrityError) and "already exists" not in str(cause):
                raise
        time.sleep(0.1)  # another process has made a part of them meanwhile: they are looked for again
    return RDBStorage(with_password(url), heartbeat_interval=BEAT, grace_period=SILENCE)


def shared(study: str | Path) -> Shared:
    """Open where a study is kept: a database for a URL, else a journal.

    Raises:
        UserError: if it cannot be opened.
    """
    return Database(str(study)) if "://" in str(study) else Journal(Path(study))


def this_process() -> str:
    """What a trial says of the process that runs it."""
    return f"{os.getpid()} on {socket.gethostname()}"
