"""The files below a folder, listed once, for all modules that look for a layout."""

import os
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.datasets.folder_layouts import TEST, TRAIN, VAL
from tasks.data.files.slashes import below
from tasks.data.files.walk import is_data, is_image, is_of_data

HEAD = 1 << 16  # bytes of a text file that are looked at
SAMPLE = 40  # files of a kind that are looked at
ROLES = {name: role for role, names in (("train", TRAIN), ("val", VAL), ("test", TEST)) for name in names}


class Listing:
    """Folders and files below a root by the folder's path below it, '' for the root itself.

    Attributes:
        folders, files: names in each folder, sorted, without hidden ones and those of file managers.

    Raises:
        UserError: if the root is no folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"dataset.root={root}: no such folder")
        self.root = root
        self.folders: dict[str, list[str]] = {}
        self.files: dict[str, list[str]] = {}
        seen: set[tuple[int, int]] = set()
        for place, folders, names in os.walk(root, followlinks=True):
            status = os.stat(place)  # noqa: PTH116 - for many folders
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if is_of_data(name))
            beneath = below(place, root)
            key = "" if beneath == "." else beneath
            self.folders[key], self.files[key] = list(folders), sorted(filter(is_data, names))
        self.images = cache(self._images)
        self.head = cache(self._head)

    def _images(self, folder: str) -> list[str]:
        return [name for name in self.files.get(folder, []) if is_image(name)]

    def _head(self, path: str) -> str:
        try:
            with (self.root / path).open("rb") as file:
                return file.read(HEAD).decode("utf-8-sig", "replace")
        except OSError:
            return ""

    def with_suffix(self, folder: str, *suffixes: str) -> list[str]:
        """Names of the files in a folder that end in one of these, whatever their case."""
        return [name for name in self.files.get(folder, []) if name.lower().endswith(suffixes)]

    def every(self, *suffixes: str, depth: int = 99) -> Iterator[str]:
        """Paths of the files that end in one of these, down to a depth of folders."""
        for folder in self.files:
            if folder.count("/") + (folder != "") <= depth:
                yield from (join(folder, name) for name in self.with_suffix(folder, *suffixes))

    def images_below(self, folder: str) -> int:
        """Number of the images in a folder and below it."""
        return sum(len(self.images(place)) for place in self.files if within(place, folder))

    def splits(self, folder: str = "") -> dict[str, str]:
        """Folders named as a split in a folder, by role: train, val, test; of several, the most usual name."""
        found: dict[str, str] = {}
        order = list(ROLES)
        for name in sorted(self.folders.get(folder, []), key=lambda name: order.index(low(name)) if known(name) else 0):
            if known(name):
                found.setdefault(ROLES[low(name)], name)
        return found


def low(name: str) -> str:
    return name.lower()


def known(name: str) -> bool:
    """Whether a name is that of a split."""
    return name.lower() in ROLES


def join(folder: str, name: str) -> str:
    """The path of a name in a folder below the root."""
    return f"{folder}/{name}" if folder else name


def within(place: str, folder: str) -> bool:
    """Whether a folder is another one or lies in it."""
    return not folder or place == folder or place.startswith(f"{folder}/")


def sample(names: Sequence[str]) -> list[str]:
    """Some of the names, evenly spread."""
    step = max(1, len(names) // SAMPLE)
    return list(names[::step])[:SAMPLE]
