"""Image files found by the names that annotation tools write: Windows' separators, a storage's prefix, another case."""

import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote

from tasks.data.opening import shown
from tasks.data.walk import files_below


def locate(folder: Path, names: Sequence[str], missing: Sequence[int]) -> tuple[dict[int, str], str]:
    """Find the missing ones of some names in a folder by the longest end of their path that only one file has.

    Args:
        names: of all files.
        missing: places of those that are not there as they are written.

    Returns:
        The files, by place, of those that are found; and why the first of the others is not.
    """
    by_end: dict[str, set[str]] = defaultdict(set)
    for file in files_below(folder):
        for end in ends(file):
            by_end[end].add(file)
    gone = set(missing)
    taken = {name: place for place, name in enumerate(names) if place not in gone}
    found: dict[int, str] = {}
    problem = ""
    for place in missing:
        files = next((by_end[end] for end in ends(names[place]) if end in by_end), set())
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
    """The ends of a path in folders, the longest first, in one case and one form of Unicode."""
    plain = unicodedata.normalize("NFC", unquote(name)).replace("\\", "/").casefold()
    parts = [part for part in plain.split("/") if part not in ("", ".", "..")]
    parts[-1:] = [parts[-1].split("?")[0] or parts[-1].rpartition("=")[2]] if parts else []
    return ["/".join(parts[start:]) for start in range(len(parts))]
