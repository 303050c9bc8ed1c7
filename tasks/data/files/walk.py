"""Finds the image files of a folder."""

import os
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and those of other programs."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and is_of_data(entry.name))


def images_in(folder: Path) -> list[str]:
    """Names of the image files directly in a folder, sorted, without hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_image(entry.name) and not entry.is_dir())


def files_below(folder: Path) -> list[str]:
    """Relative paths of all image files below a folder, sorted.

    A folder with an image suffix that holds no image is included, so that reading it reports what it is. Any further
    link to a folder already searched is left out, not only one that forms a cycle.
    """
    found: list[str] = []
    odd: list[str] = []
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        status = os.stat(place)  # noqa: PTH116 - a million times
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if is_of_data(name))
        below = "" if place == str(folder) else os.path.relpath(place, folder) + "/"
        odd += [below + name for name in folders if is_image(name)]
        found += [below + name for name in names if is_image(name)]
    return sorted(found + [name for name in odd if not any(file.startswith(f"{name}/") for file in found)])


def is_of_data(name: str) -> bool:
    """Whether a folder's name is not one that file managers, notebooks or network drives create."""
    return not name.startswith(".") and name not in ("__MACOSX", "@eaDir")


def is_image(name: str) -> bool:
    """Whether a file name is an image's; macOS creates `._name.jpg` beside each."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def found_in(root: Path) -> str:
    """Content of a folder, for a message."""
    if not root.is_dir():
        return "no such folder"
    names = sorted(path.name for path in root.iterdir())
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "nothing"
