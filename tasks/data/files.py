"""Image files with one label each, in lists that worker processes share without copying."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.images import SUFFIXES, Pixels, image_size, read_rgb
from tasks.data.jpeg import look_at_end
from tasks.errors import UserError

View = Callable[[Path | Pixels], Pixels]


class Texts:
    """A list of strings in two blocks of memory.

    Python counts references inside each string, so a million of them would be copied into every forked worker.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        encoded = [os.fsencode(text) for text in texts]
        self.bytes = b"".join(encoded)
        self.ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> str:
        return os.fsdecode(self.bytes[self.ends[index] : self.ends[index + 1]])


class Files:
    """Image files below one folder.

    Args:
        folder: where they lie.
        files: their paths from there, one by one.
    """

    def __init__(self, folder: Path, files: Sequence[str]) -> None:
        self.folder, self.files = folder, Texts(files)

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> Path:
        """Where the image lies."""
        return self.folder / self.files[index]

    def name(self, index: int) -> str:
        """The path below the folder, fit for a file name."""
        return self.files[index].replace("/", "__")


class LabelledFiles(Files):
    """Image files below one folder, each of one class.

    Args:
        folder, files: see Files.
        labels: their classes' numbers.
    """

    def __init__(self, folder: Path, files: Sequence[str], labels: Sequence[int]) -> None:
        super().__init__(folder, files)
        self.labels: NDArray[np.int64] = np.asarray(labels, np.int64)

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image, from its header."""
        return image_size(self.path(index))

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB and `label` () int64.

        Args:
            view: makes the image from its path; None decodes all of it.

        Raises:
            UserError: for a file that cannot be decoded.
        """
        image = (view or read_rgb)(self.path(index))
        return {"image": image, "label": np.asarray(self.labels[index])}

    def check(self) -> Iterator[UserError | None]:
        """Look at every file's header and end once; yields what is wrong with it, or None."""

        def look(index: int) -> UserError | None:
            path = self.path(index)
            try:
                image_size(path)
                look_at_end(path)
            except UserError as error:
                return error
            return None

        with ThreadPoolExecutor() as pool:
            yield from pool.map(look, range(len(self)))


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones and those of other programs are left out."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and is_of_data(entry.name))


def images_in(folder: Path) -> list[str]:
    """Names of the image files right in a folder, sorted; hidden ones are left out."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_image(entry.name) and not entry.is_dir())


def images_below(folder: Path) -> list[str]:
    """Paths of all image files below a folder, from there, sorted."""
    found: list[str] = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if is_of_data(name)]
        below = "" if place == str(folder) else os.path.relpath(place, folder) + "/"
        found += [below + name for name in names if is_image(name)]
    return sorted(found)


def is_of_data(name: str) -> bool:
    """Whether a folder's name is not one that file managers, notebooks and network drives leave behind."""
    return not name.startswith(".") and name not in ("__MACOSX", "@eaDir")


def is_image(name: str) -> bool:
    """Whether a file's name is an image's; macOS leaves `._name.jpg` beside each."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def found_in(root: Path) -> str:
    """What is there, for a message."""
    if not root.is_dir():
        return "no such folder"
    names = sorted(path.name for path in root.iterdir())
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "nothing"
