"""Finds the image files of a folder."""

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tasks.data.files.slashes import below

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".gif", ".avif", ".jp2", ".j2k", ".jpx", ".tga"),
)
IPHONE = (".heic", ".heif")
LEFTOVERS = ("thumbs.db", "desktop.ini")  # of Windows


def folders_in(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without hidden ones and those of other programs."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and is_of_data(entry.name))


def images_in(folder: Path) -> list[str]:
    """Names of the image files directly in a folder, sorted, without hidden ones."""
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_image(entry.name) and not entry.is_dir())


def files_below(folder: Path, others: list[str] | None = None) -> list[str]:
    """Relative paths of all image files below a folder, sorted.

    A folder with an image suffix that holds no image is included, so that reading it reports what it is. Any further
    link to a folder already searched is left out, not only one that forms a cycle.

    Args:
        others: gets the relative paths of the files that are passed over, in no order; hidden ones are not among them.
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
        before = "" if place == str(folder) else below(place, folder) + "/"
        odd += [before + name for name in folders if is_image(name)]
        images = [name for name in names if is_image(name)]
        found += [before + name for name in images]
        if others is not None and len(images) < len(names):
            others += [before + name for name in names if not is_image(name) and is_data(name)]
    return sorted(found + [name for name in odd if not any(file.startswith(f"{name}/") for file in found)])


def is_of_data(name: str) -> bool:
    """Whether a folder's name is not one that file managers, notebooks or network drives create."""
    return not name.startswith(".") and name not in ("__MACOSX", "@eaDir")


def is_data(name: str) -> bool:
    """Whether a file is neither hidden nor one that file managers create."""
    return not name.startswith(".") and name.lower() not in LEFTOVERS


def is_image(name: str) -> bool:
    """Whether a file name is an image's; macOS creates `._name.jpg` beside each."""
    return name.lower().endswith(SUFFIXES) and not name.startswith(".")


def passed_over(others: Iterable[str]) -> str:
    """A line about the files that are no images by their suffix, the most frequent suffix first; '' if there are none.

    >>> passed_over(["a.heic", "notes.txt", "b.heic"])
    'passed over: 2 .heic (a.heic), 1 .txt (notes.txt); .heic is not read here: convert it to JPEG'
    """
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for name in others:
        by_suffix[os.path.splitext(name)[1].lower()].append(name)  # noqa: PTH122 - of a text
    if not by_suffix:
        return ""
    order = sorted(by_suffix, key=lambda suffix: (-len(by_suffix[suffix]), suffix))
    parts = [f"{len(by_suffix[suffix])} {suffix or 'without suffix'} ({min(by_suffix[suffix])})" for suffix in order]
    more = f" and {len(parts) - 5} other suffixes" if len(parts) > 5 else ""
    phone = next((suffix for suffix in IPHONE if suffix in by_suffix), "")
    convert = f"; {phone} is not read here: convert it to JPEG" if phone else ""
    return f"passed over: {', '.join(parts[:5])}{more}{convert}"


def found_in(root: Path) -> str:
    """Content of a folder, for a message."""
    if not root.is_dir():
        return "no such folder"
    names = sorted(path.name for path in root.iterdir())
    return (", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")) or "nothing"
