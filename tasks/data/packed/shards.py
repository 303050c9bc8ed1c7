"""Shards in WebDataset's form: tar files in which the members of a sample share their name up to the first dot."""

import hashlib
import io
import os
import tarfile
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tasks.common.errors import UserError
from tasks.data.files.opening import open_file
from tasks.data.packed.cache import ShardCache
from tasks.data.packed.index import Stored
from tasks.data.packed.place import Place

OPEN = 64  # files that a process keeps open
DIGITS = 9  # of a sample's name in the shards


class Span(NamedTuple):
    """Place of a member's bytes in its shard."""

    offset: int
    length: int


class ShardWriter:
    """Writes one shard; the same samples give the same bytes.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.file = path, path.open("wb")
        self.tar = tarfile.open(fileobj=self.file, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115 - closed below
        self.samples = 0

    def add(self, key: str, members: Mapping[str, bytes]) -> dict[str, Span]:
        """Add a sample.

        Args:
            members: bytes by extension, such as jpg and mask.png.

        Returns:
            Where each lies.
        """
        spans = {}
        for extension, content in members.items():
            entry = tarfile.TarInfo(f"{key}.{extension}")
            entry.size, entry.mode = len(content), 0o444
            spans[extension] = Span(self.tar.offset + tarfile.BLOCKSIZE, len(content))
            self.tar.addfile(entry, io.BytesIO(content))
        self.samples += 1
        return spans

    def close(self, name: str) -> Stored:
        """Finish the file; what index.json says of it.

        Args:
            name: of the shard.
        """
        self.tar.close()
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        with self.path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return Stored(name, self.path.stat().st_size, digest, self.samples)

    def abandon(self) -> None:
        """Close and delete an unfinished file."""
        self.file.close()
        self.path.unlink(missing_ok=True)


class Shards:
    """Reads members by their places; worker processes and threads may share it.

    Args:
        cache: of an address; None for a folder.
    """

    def __init__(self, place: Place, shards: Sequence[Stored], cache: ShardCache | None) -> None:
        self.place, self.shards, self.cache = place, list(shards), cache
        self.starts = np.cumsum([0, *(shard.samples for shard in shards)])
        self.files: OrderedDict[int, FileIO] = OrderedDict()
        self.lock = threading.Lock()

    def __getstate__(self) -> dict[str, object]:
        return self.__dict__ | {"files": OrderedDict(), "lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self.lock = threading.Lock()

    def number(self, index: int) -> int:
        """Number of the shard that has a sample."""
        return int(np.searchsorted(self.starts, index, "right")) - 1

    def read(self, number: int, span: Span) -> bytes:
        """A member's bytes.

        Raises:
            UserError: for a shard that is missing or truncated, named.
        """
        file = self.opened(number)
        content = read_at(file, span, self.lock)
        if len(content) != span.length:
            raise self.damaged(number, f"it ends within a sample, at byte {span.offset + len(content):,}")
        return content

    def opened(self, number: int) -> FileIO:
        """A shard's file, whose size was checked."""
        with self.lock:
            if (file := self.files.get(number)) is not None:
                self.files.move_to_end(number)
                return file
        path = self.path(number)
        shard = self.shards[number]
        try:
            file = unbuffered(path)
        except FileNotFoundError as error:
            raise self.damaged(number, "it is missing") from error
        except OSError as error:
            raise self.damaged(number, error.strerror or str(error)) from error
        size = os.fstat(file.fileno()).st_size
        if size != shard.bytes:
            file.close()
            raise self.damaged(number, f"it has {size:,} bytes of {shard.bytes:,}")
        with self.lock:
            self.files[number] = file
            while len(self.files) > OPEN:
                self.files.popitem(last=False)  # closed as soon as no other thread reads from it
        return file

    def path(self, number: int) -> Path:
        """A shard's file on this machine; that of an address is downloaded."""
        shard = self.shards[number]
        return self.place.path(shard.file) if self.cache is None else self.cache.path(self.place, shard)

    def problem(self, number: int) -> UserError | None:
        """What is wrong with a whole shard of a folder, if anything is; those of an address are checked on arrival."""
        if self.cache is not None:
            return None
        try:
            self.opened(number)
            with self.path(number).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except UserError as error:
            return error
        except OSError as error:
            return self.damaged(number, error.strerror or str(error))
        return None if found == self.shards[number].sha256 else self.damaged(number, "its SHA-256 differs")

    def damaged(self, number: int, why: str) -> UserError:
        """The error for a shard that is not the one that index.json names."""
        return UserError(f"{self.place.shown(self.shards[number].file)}: {why}: copy the shard again")


def unbuffered(path: Path) -> FileIO:
    """Open a regular file.

    Raises:
        OSError: for anything else.
    """
    with open_file(path) as file:
        return FileIO(os.dup(file.fileno()), closefd=True)


def read_at(file: FileIO, span: Span, lock: threading.Lock) -> bytes:
    """Bytes of a file, whichever threads and forked processes read from it."""
    if hasattr(os, "pread"):
        return os.pread(file.fileno(), span.length, span.offset)
    with lock:  # Windows, where processes are not forked
        file.seek(span.offset)
        return file.read(span.length)
