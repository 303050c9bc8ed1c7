"""Finds image files by the names that annotation tools write: Windows separators, storage prefixes, different case."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from tasks.data.files.opening import shown
from tasks.data.files.walk import files_below


def locate(folder: Path, names: Sequence[str], missing: Sequence[int]) -> tuple[dict[int, str], str]:
    """Find missing files in a folder: by removing a storage prefix, or by adding a folder that exists on disk.

    One of the two paths must be the end of the other; train/1.jpg is not val/1.jpg. As little of a prefix as possible
    is removed.

    Args:
        names: of all files.
        missing: indices of those that do not exist as written.

    Returns:
        The files found, by index; and why the first of the others was not.
    """
    by_path: dict[str, set[str]] = defaultdict(set)
    by_end: dict[str, set[str]] = defaultdict(set)
    for file in files_below(folder):
        for end in ends(file):
            by_end[end].add(file)
        by_path[ends(file)[0]].add(file)
    gone = set(missing)
    taken = {name: place for place, name in enumerate(names) if place not in gone}
    found: dict[int, str] = {}
    problem = ""
    for place in missing:
        paths = ends(names[place])
        files = by_end.get(paths[0], set()) if paths else set()
        files = files or next((by_path[end] for end in paths if end in by_path), set())
        if len(files) > 1:
            some = " and ".join(shown(file) for file in sorted(files)[:2])
            problem = problem or f"{shown(names[place])} may be {some}"
        for file in files if len(files) == 1 else ():
            if file in taken:
                problem = (
                    problem or f"{shown(file)} would be both {shown(names[taken[file]])} and {shown(names[place])}"
                )
            else:
                found[place], taken[file] = file, place
    return found, problem


def ends(name: str) -> list[str]:
    """The trailing parts of a path, longest first, normalised in case and Unicode form."""
    plain = unicodedata.normalize("NFC", unquote(name)).replace("\\", "/").casefold()
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    parts[-1:] = [parts[-1].split("?")[0] or parts[-1].rpartition("=")[2]] if parts else []
    return ["/".join(parts[start:]) for start in range(len(parts))]
