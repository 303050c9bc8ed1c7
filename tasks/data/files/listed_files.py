"""Image files that a list names, perhaps without their suffix."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.data.files.walk import SUFFIXES, files_below, is_image


class Listed(NamedTuple):
    """The files that names stand for.

    Attributes:
        files: paths relative to the folder, in order; "" where there is none.
        problems: by index, why there is none.
    """

    files: list[str]
    problems: dict[int, str]


def find_listed(folder: Path, names: Sequence[str]) -> Listed:
    """Find each name in a folder: as it is, or without the suffix of an image file. Each folder is listed once.

    `.\\a\\b.jpg` and `./a/b.jpg` are `a/b.jpg`.
    """
    files: list[str] = []
    problems: dict[int, str] = {}
    listings: dict[str, dict[str, list[str]]] = {}
    for index, name in enumerate(names):
        plain = os.path.normpath(name.replace("\\", "/"))
        parent, base = os.path.split(plain)
        if parent not in listings:
            listings[parent] = by_name(folder / parent)
        found = listings[parent].get(base, [])
        if len(found) != 1:
            kinds = f" ({', '.join(sorted(found))})" if found else "" if is_image(base) else f" with {SUFFIXES[0]}, …"
            problems[index] = f"{len(found) or 'no'} files{kinds}" if found else f"no file{kinds}"
        files.append(os.path.join(parent, found[0]) if len(found) == 1 else "")  # noqa: PTH118 - a million times
    return Listed(files, problems)


def by_name(folder: Path) -> dict[str, list[str]]:
    """Files of a folder by their full names, and images also by their names without suffix."""
    found: dict[str, list[str]] = defaultdict(list)
    if folder.is_dir():
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".")]
        for name in names:
            if is_image(name):
                found[name.rpartition(".")[0]].append(name)
        found |= {name: [name] for name in names}
    return found


def elsewhere(folder: Path, name: str) -> str:
    """The folder below this one that has a file of this name, with or without suffix; '' if none has."""
    base = name.replace("\\", "/").rpartition("/")[2]
    for file in files_below(folder) if folder.is_dir() else ():
        parent, _, own = file.rpartition("/")
        if base in (own, own.rpartition(".")[0]):
            return parent
    return ""
