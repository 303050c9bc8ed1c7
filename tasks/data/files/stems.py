"""Finds files below a folder by their path without suffix, as lists and annotation files name images."""

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.opening import reason, shown
from tasks.data.files.slashes import below
from tasks.data.files.walk import is_image, is_of_data


class Stems:
    """Files below a folder.

    Args:
        folder: of the files.
        files: their paths below it.
        loose: whether a name also finds a file if one of the two paths is only the end of the other.
    """

    def __init__(self, folder: Path, files: Sequence[str], *, loose: bool = True) -> None:
        self.folder, self.all = folder, frozenset(files)
        self.by_stem: dict[str, list[str]] = defaultdict(list)
        self.by_end: dict[str, list[str]] = defaultdict(list)
        for file in files:
            stem = stem_of(file)
            self.by_stem[stem].append(file)
            if loose:
                self.by_end[stem.rpartition("/")[2]].append(file)

    def find(self, name: str) -> str | None:
        """The file of a name that may have a suffix, a folder or Windows separators; None if there is none.

        Raises:
            UserError: for a name that is the stem of two files.
        """
        for said in dict.fromkeys((name, name.replace("\\", "/").removeprefix("./"))):
            if said in self.all:
                return said
            if found := self.by_stem.get(said) or self.by_stem.get(without_suffix(said)):
                return self.only(found, name)
        for stem in dict.fromkeys((said, without_suffix(said))):
            candidates = self.by_end.get(stem.rpartition("/")[2], ())
            if found := [file for file in candidates if is_end(stem_of(file), stem) or is_end(stem, stem_of(file))]:
                return self.only(found, name)
        return None

    def only(self, found: Sequence[str], name: str) -> str:
        """The only one of some files.

        Raises:
            UserError: if there are more.
        """
        if len(found) > 1:
            some = " and ".join(shown(file) for file in sorted(found)[:2])
            raise UserError(f"{self.folder} has two files for {shown(name)}, {some}: keep one of them")
        return found[0]


def stem_of(file: str) -> str:
    """A path without the suffix of its last part."""
    head, dot, end = file.rpartition(".")
    return head if dot and "/" not in end and head.rpartition("/")[2] else file


def without_suffix(name: str) -> str:
    """A name without the suffix of an image; photo.1 stays as it is."""
    return stem_of(name) if is_image(name) else name


def is_end(end: str, path: str) -> bool:
    """Whether a path is the other or its last parts."""
    return path == end or path.endswith(f"/{end}")


def files_with(folder: Path, suffix: str) -> list[str]:
    """Relative paths of the files below a folder with this suffix in any case, sorted, without hidden ones."""
    return sorted(walk_with(folder, suffix))


def any_with(folder: Path, suffix: str) -> bool:
    """Whether there is such a file."""
    return next(walk_with(folder, suffix), None) is not None


def stamps_of(folder: Path, files: Sequence[str]) -> list[tuple[str, int, int]]:
    """Stamps (see cache.py) of files below a folder.

    Raises:
        UserError: for a file that cannot be found, such as a link to nothing.
    """
    base = str(folder.absolute())
    found = []
    for file in files:
        path = f"{base}/{file}"
        try:
            status = os.stat(path)  # noqa: PTH116 - a text, 50,000 times
        except OSError as error:
            raise UserError(f"cannot read {shown(path)}: {reason(path, error)}") from error
        found.append((path, status.st_size, status.st_mtime_ns))
    return found


def walk_with(folder: Path, suffix: str) -> Iterator[str]:
    """Yield such files."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if is_of_data(name)]
        before = "" if place == str(folder) else below(place, folder) + "/"
        yield from (before + name for name in names if name.lower().endswith(suffix) and not name.startswith("."))
