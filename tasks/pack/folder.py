"""The place that is written: free, or holding a packed data set or what a stopped packing has left."""

import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from backbones.file_lock import file_lock
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.writing import cannot_write
from tasks.data.packed.index import FILE
from tasks.data.packed.place import Place

CARD, PREFIX = "README.md", ".packing-"
LOCK = f"{PREFIX}lock"
OURS = re.compile(r"(train|val)(-\d{6}\.tar|\.npz)|index\.json|README\.md|SOURCE_.+|\.packing-\w+")


@contextmanager
def one_packing(place: Place, overwrite: bool) -> Iterator[None]:
    """A free place, with other packings kept out of a folder: they would delete what they take for a stopped one's.

    Args:
        overwrite: see make_free.

    Raises:
        UserError: for a folder that cannot be made, and see make_free.
    """
    if place.is_remote:
        make_free(place, overwrite)
        yield
        return
    try:
        Path(place.root).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(cannot_write(Path(place.root), error)) from error
    said = f"another packing writes to {place.root}: waiting for it"
    with file_lock(place.path(LOCK), lambda: report(said)):
        make_free(place, overwrite)
        yield


def make_free(place: Place, overwrite: bool) -> None:
    """Delete what a packing wrote here before; the index first, so that what is left never looks whole.

    Raises:
        UserError: for other files, and for a packed data set without `overwrite`.
    """
    names = [name for name in place.names() if name != LOCK]
    if foreign := [name for name in names if not OURS.fullmatch(name)]:
        raise UserError(f"out={place.root} holds other files, such as {foreign[0]}: name an empty folder")
    if FILE in names and not overwrite:
        raise UserError(f"out={place.root} holds a packed data set: overwrite=true deletes it")
    if names and FILE not in names:
        report(f"out={place.root}: {len(names)} files of a packing that was stopped are deleted")
    for name in sorted(names, key=lambda name: name != FILE):
        if name.startswith(PREFIX) and not place.is_remote:
            shutil.rmtree(place.path(name), ignore_errors=True)
        else:
            place.remove(name)


def source_files(root: object) -> Sequence[Path]:
    """Files beside a data set that say who made it and what may be done with it."""
    if not isinstance(root, str) or not Path(root).is_dir():
        return []
    named = re.compile(r"(licen[cs]e|copying|notice|attribution|citation|readme|credits).*", re.IGNORECASE)
    return [
        path
        for path in sorted(Path(root).iterdir())
        if named.fullmatch(path.name) and path.is_file() and path.stat().st_size < 1 << 20
    ]
