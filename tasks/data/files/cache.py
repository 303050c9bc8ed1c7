"""What was parsed from many small files or a large one, kept for the next run.

Files lie in MOBILEVISION_CACHE, else in XDG_CACHE_HOME/mobilevision or ~/.cache/mobilevision; MOBILEVISION_CACHE=off
disables them. They hold arrays only (NumPy's format without pickle), and are found by the sources' paths, sizes and
times of change, so that a changed source is parsed again. Arrays are the files' pages: the processes of a machine share
them.
"""

import hashlib
import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from backbones.file_lock import file_lock
from tasks.data.files.array_file import read_arrays, write_arrays

Arrays = Mapping[str, NDArray[Any]]
VARIABLE = "MOBILEVISION_CACHE"
KEPT = 64  # files; the ones used longest ago are removed


def cached(kind: str, sources: Iterable[tuple[str, int, int]], make: Callable[[], Arrays]) -> Arrays:
    """The arrays that `make` returns, from the cache if it was called for the same sources before.

    Of processes that start together, one calls `make`, and the others wait for it.

    Args:
        kind: what is parsed, and the version of the parser: "coco 1".
        sources: path, size in bytes and time of change in nanoseconds of each file; see `stamps`.
    """
    folder = cache_folder()
    if folder is None:
        return make()
    digest = hashlib.sha256(kind.encode())
    for source in sources:
        digest.update(repr(source).encode(errors="surrogateescape"))
    path = folder / f"{kind.split()[0]}-{digest.hexdigest()[:32]}.npz"
    if (arrays := kept(path)) is not None:
        return arrays
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    with file_lock(path.with_suffix(".lock")):
        if (arrays := kept(path)) is not None:  # another process has made it in the meantime
            return arrays
        arrays = dict(make())
        with suppress(OSError):
            write(path, arrays)
    return arrays


def kept(path: Path) -> Arrays | None:
    """The arrays of a file of the cache; None if there is none, or it is damaged."""
    with suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        arrays = read_arrays(path)
        os.utime(path)
        return arrays
    return None


def write(path: Path, arrays: Arrays) -> None:
    """Write a file of the cache at once, and remove the oldest above KEPT."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "wb") as file:
            write_arrays(file, arrays)
            file.flush()
            os.fsync(file.fileno())  # a file with its name is whole even after a crash: its pages are not checked
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    found = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime_ns, reverse=True)
    for old in found[KEPT:]:
        with suppress(PermissionError):  # Windows: another process maps it
            old.unlink(missing_ok=True)


def cache_folder() -> Path | None:
    """The folder of the cache; None if it is disabled."""
    named = os.environ.get(VARIABLE, "")
    if named == "off":
        return None
    if named:
        return Path(named)
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(home) if home else Path.home() / ".cache") / "mobilevision"
    except RuntimeError:  # no home folder
        return None


def stamp(path: Path) -> tuple[str, int, int]:
    """Absolute path, size and time of change of a file."""
    found = path.stat()
    return str(path.absolute()), found.st_size, found.st_mtime_ns


def stamps(folder: Path, suffix: str = "") -> list[tuple[str, int, int]]:
    """Stamps of all files directly in a folder whose names end so, sorted."""
    place = str(folder.absolute())
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.stat()) for entry in entries if entry.name.endswith(suffix) and entry.is_file()]
    return sorted((f"{place}/{name}", status.st_size, status.st_mtime_ns) for name, status in found)
