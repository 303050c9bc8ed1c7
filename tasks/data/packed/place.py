"""Where a packed data set lies: a folder, or an address that fsspec reads."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from tasks.common.errors import UserError
from tasks.common.writing import FULL, cannot_write
from tasks.data.files.opening import open_file, size_of

SCHEMES = ("http", "https", "s3", "gs")  # others of fsspec run programs or wrap one another
NEEDS = {"s3": "s3fs", "gs": "gcsfs", "http": "aiohttp", "https": "aiohttp"}
SILENCE = 60  # seconds without a byte after which a server counts as gone
Result = TypeVar("Result")


def is_address(root: object) -> bool:
    """Whether a root is an address, not a folder."""
    return "://" in str(root)


class Place:
    """The files of a data set, by name.

    Args:
        root: a folder, or an address: http, https, s3, gs.
        key: that was typed, for messages.

    Raises:
        UserError: for another scheme.
    """

    def __init__(self, root: str | Path, key: str = "dataset.root") -> None:
        self.is_remote, self.key = is_address(root), key
        self.root = str(root).rstrip("/") or "/"
        if not self.is_remote:
            self.root = os.path.expanduser(self.root)  # noqa: PTH111 - Path's raises where there is no such user
        if self.is_remote and (self.scheme not in SCHEMES or "::" in self.root):
            raise UserError(f"{key}={root} is neither a folder nor one of {', '.join(f'{s}://' for s in SCHEMES)}…")

    def is_same(self, root: object) -> bool:
        """Whether a root is this place."""
        if self.is_remote or is_address(root):
            return self.root == str(root).rstrip("/")
        return Path(self.root).resolve() == Path(os.path.expanduser(str(root))).resolve()  # noqa: PTH111 - as above

    @property
    def scheme(self) -> str:
        """Of an address."""
        return self.root.partition("://")[0]

    def shown(self, name: str) -> str:
        """A file for a message."""
        return f"{self.root}/{name}"

    def path(self, name: str) -> Path:
        """A file of a folder."""
        return Path(self.root) / name

    def read(self, name: str, most: int) -> bytes:
        """A small file.

        Raises:
            UserError: if it is missing, or has more bytes than `most`.
        """
        if self.is_remote:
            with tempfile.TemporaryDirectory() as folder:
                self.fetch(name, path := Path(folder) / "file", most)
                return path.read_bytes()
        else:
            try:
                with open_file(path := self.path(name)) as file:
                    content = file.read(min(most, size_of(path, file)) + 1)  # Python takes the memory for it first
            except OSError as error:
                raise self.absent(name, error) from error
        if len(content) > most:
            raise UserError(f"{self.shown(name)} has more than {most:,} bytes")
        return content

    def fetch(self, name: str, to: Path, most: int) -> None:
        """Download a file.

        Raises:
            UserError: if that fails, or if more bytes than `most` come: a server may send without end.
        """
        too_large = UserError(f"{self.shown(name)} has more than {most:,} bytes")
        try:
            self.asked(lambda files, path: download(files, path, to, most, too_large), name)
        except UserError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in FULL:
                raise UserError(cannot_write(to, error.__cause__)) from error
            raise

    def put(self, path: Path, name: str) -> None:
        """Move a finished file here.

        Raises:
            UserError: if that fails.
        """
        if not self.is_remote:
            path.replace(self.path(name))
            return
        self.asked(lambda files, there: files.put_file(str(path), there), name)
        path.unlink()

    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""
        if self.is_remote:
            if name in self.names():
                self.asked(lambda files, path: files.rm_file(path), name)
            return
        with suppress(FileNotFoundError):
            self.path(name).unlink()

    def names(self) -> list[str]:
        """Names of all files; [] if there is no such place."""
        if not self.is_remote:
            return sorted(os.listdir(self.root)) if Path(self.root).is_dir() else []  # noqa: PTH208 - names only

        def listed(files: Any, path: str) -> list[str]:
            try:
                return sorted(str(found).rstrip("/").rpartition("/")[2] for found in files.ls(path, detail=False))
            except FileNotFoundError:
                return []

        return self.asked(listed, "")

    def asked(self, call: Callable[[Any, str], Result], name: str) -> Result:
        """What fsspec says to a call with its file system and a path there."""
        where = self.shown(name)
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError as error:
            raise UserError(f"{where} needs fsspec: pip install 'mobilevision[packed]'") from error
        try:
            # Asked each time: fsspec keeps one for each process and thread, and makes another after a fork.
            files, path = url_to_fs(where, **self.options())
        except ImportError as error:
            raise UserError(
                f"{where} needs {NEEDS[self.scheme]}: pip install 'mobilevision[packed]' ({error})"
            ) from error
        try:
            return call(files, path)
        except UserError:
            raise
        except OSError as error:
            raise self.absent(name, error) from error
        except Exception as error:  # each protocol's library has its own
            said = " ".join(str(error).split())[:200]
            raise UserError(f"cannot reach {where}: {type(error).__name__}: {said}") from error

    def options(self) -> dict[str, Any]:
        """Of the file system: a download may take as long as it needs, as long as something comes."""
        if self.scheme not in ("http", "https"):
            return {}
        from aiohttp import ClientTimeout  # whose own limit is five minutes for a whole file

        return {"client_kwargs": {"timeout": ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)}}

    def absent(self, name: str, error: OSError) -> UserError:
        """The error for a file that cannot be read."""
        if isinstance(error, FileNotFoundError) and name == "index.json":
            what = "" if self.is_remote or Path(self.root).is_dir() else ": no such folder"
            return UserError(
                f"{self.key}={self.root}: no packed data set, because {name} is missing{what}; it is written last, at "
                "the end of python -m tasks.pack dataset=… out=…"
            )
        if isinstance(error, FileNotFoundError):
            return UserError(f"{self.shown(name)} is missing: copy the data set again")
        return UserError(f"cannot read {self.shown(name)}: {error.strerror or ' '.join(str(error).split())[:200]}")


def download(files: Any, path: str, to: Path, most: int, too_large: UserError) -> None:
    """Download a file of an fsspec file system; raises `too_large` once more than `most` bytes have come."""
    from fsspec.callbacks import Callback

    class Counted(Callback):  # type: ignore[misc]  # fsspec has no types
        def relative_update(self, inc: int = 1) -> None:
            super().relative_update(inc)
            if self.value > most:
                raise too_large

    files.get_file(path, str(to), callback=Counted())
