"""Image files that a list names, perhaps without their suffix."""

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.data.files.slashes import normal
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
        plain = normal(name.replace("\\", "/"))
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


def find_below(folder: Path, names: Sequence[str], found: Listed) -> Listed:
    """What was found, and for each name without a file the only one at any depth whose path ends in it.

    As in find_listed, names may lack the suffix.
    """
    by_name: dict[str, list[str]] = defaultdict(list)
    for file in files_below(folder) if folder.is_dir() else ():
        for end in (file, file.rpartition(".")[0]):
            by_name[end.rpartition("/")[2]].append(file)
    files, problems = list(found.files), dict(found.problems)
    for index in found.problems:
        name = normal(names[index].replace("\\", "/"))
        there = [file for file in by_name.get(name.rpartition("/")[2], ()) if is_end(name, file)]
        if len(there) == 1:
            files[index] = there[0]
            del problems[index]
        elif there and problems[index].startswith("no "):
            problems[index] = f"it may be {there[0]} or {there[1]}: dataset.images=<folder> says which"
    return Listed(files, problems)


def is_end(name: str, file: str) -> bool:
    """Whether a path, with or without its suffix, ends in a name."""
    return any(path == name or path.endswith(f"/{name}") for path in (file, file.rpartition(".")[0]))


def elsewhere(folder: Path, name: str) -> str:
    """The folder below this one that has a file of this name, with or without suffix; '' if none has."""
    base = name.replace("\\", "/").rpartition("/")[2]
    for file in files_below(folder) if folder.is_dir() else ():
        parent, _, own = file.rpartition("/")
        if base in (own, own.rpartition(".")[0]):
            return parent
    return ""
