"""Images named by folders and .txt lists, also as written on another machine."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.listings import Listings, Stamp
from tasks.data.files.opening import open_file, reason, shown
from tasks.data.files.slashes import normal
from tasks.data.files.walk import files_below

LARGEST = 512_000_000  # bytes of a list


class Listed(NamedTuple):
    """Image files, each once.

    Attributes:
        stamps: of the files, in order.
        notes: lines to print.
    """

    stamps: list[Stamp]
    notes: list[str]


def images_of(parts: Sequence[str], folders: Sequence[Path], listings: Listings, what: str) -> Listed:
    """The images of a split.

    Args:
        parts: folders, searched recursively, or .txt lists of files.
        folders: to which they are relative; the first one that has them.
        what: names the split, for messages: "data.yaml: train".

    Raises:
        UserError: for a part or a file that does not exist, or a split without images.
    """
    stamps: list[Stamp] = []
    notes: list[str] = []
    for part in parts:
        place, moved = find_part(part, folders)
        if place is None:
            tried = " and ".join(str(folder) for folder in folders)
            raise UserError(f"{what}: {part}: no such folder or list in {tried}")
        if moved:
            notes.append(f"{what}: {part} is not here: {place} is meant")
        if place.is_dir():
            files = [f"{place}/{name}" for name in files_below(place)]
            stamps += [listings.stamp(file) or (file, -1, 0) for file in files]
        elif place.suffix.lower() == ".txt":
            found, note = read_list(place, folders, listings)
            stamps += found
            notes += note
        else:
            raise UserError(f"{what}: {place} is neither a folder nor a .txt list of images")
    unique = list(dict.fromkeys(stamps))
    if not unique:
        raise UserError(f"{what}: {', '.join(parts)} has no image")
    if len(unique) < len(stamps):
        notes.append(f"{what}: {len(stamps) - len(unique)} images are named more than once; each is taken once")
    return Listed(unique, notes)


def find_part(part: str, folders: Sequence[Path]) -> tuple[Path | None, bool]:
    """A folder or list as written, without the `../` that Roboflow writes, or at the end of another machine's path.

    Returns:
        The path, and whether it is only the end of what is written.
    """
    text = part.replace("\\", "/")
    words = [word for word in text.split("/") if word not in ("", ".")]
    while words and words[0] == "..":
        words.pop(0)
    least = 1 if text.endswith(".txt") else 2  # a folder named images could be any
    ends = ["/".join(words[start:]) for start in range(max(1, len(words) - least + 1))]
    for number, end in enumerate([text, *ends]):
        for folder in folders:
            place = folder / end
            if end and place.exists():
                return Path(normal(place)), number > (0 if text.startswith("/") else 1)
    return None, False


def read_list(path: Path, folders: Sequence[Path], listings: Listings) -> tuple[list[Stamp], list[str]]:
    """The images of a list, one a line: absolute, or relative to the list's folder or another one.

    Returns:
        Their stamps, and a line about those found by the end of their path.

    Raises:
        UserError: for a file that is not found, or that two lines would have by their end.
    """
    try:
        with open_file(path) as file:
            lines = file.read(LARGEST).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(path, error)}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8: {error}") from error
    names = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    places = list(dict.fromkeys(str(folder) for folder in (path.parent, *folders)))
    found: list[Stamp] = []
    taken: dict[Stamp, str] = {}
    moved: list[str] = []
    missing: list[str] = []
    for name in names:
        text = name.replace("\\", "/")
        stamp = next((stamp for place in as_written(text, places) if (stamp := listings.stamp(place))), None)
        if stamp is None:
            stamp = next((stamp for place in by_end(text, places) if (stamp := listings.stamp(place))), None)
            if stamp is None:
                missing.append(name)
                continue
            if stamp in taken:
                raise UserError(f"{path}: {shown(stamp[0])} would be both {shown(taken[stamp])} and {shown(name)}")
            moved.append(name)
        taken[stamp] = name
        found.append(stamp)
    if missing:
        more = f" ({len(missing)} of {len(names)} images are missing)" if len(missing) > 1 else ""
        raise UserError(f"{path}: no file {shown(missing[0])}, neither as written nor below {places[0]}{more}")
    if not moved:
        return found, []
    first = next(stamp[0] for stamp, name in taken.items() if name == moved[0])
    return found, [f"{path.name}: {len(moved)} images are found by the end of their path ({moved[0]} is {first})"]


def as_written(text: str, folders: Sequence[str]) -> Iterator[str]:
    """Where a path may lead."""
    if text.startswith("/"):
        yield text
        return
    text = text.removeprefix("./")
    for folder in folders:
        place = f"{folder}/{text}"
        yield normal(place) if ".." in text else place


def by_end(text: str, folders: Sequence[str]) -> Iterator[str]:
    """Where the end of a path may lie, the longest first."""
    words = [word for word in text.split("/") if word not in ("", ".", "..")]
    for start in range(len(words)):
        end = "/".join(words[start:])
        for folder in folders:
            yield f"{folder}/{end}"
