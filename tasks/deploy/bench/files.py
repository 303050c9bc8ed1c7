"""Which exported files are measured: those named, and those in folders; each that cannot be is one line."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.manifest import NAME, metadata_of
from tasks.checkpoint.manifest_rules import SUFFIXES
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.config.targets import name_of_today
from tasks.config.tree import select

COPIES = ("page", "device")  # folders that an export and a benchmark copy their files to
MOST = 200  # files in one benchmark


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The files named, and in place of each folder the exported files in it, whatever their format, by name.

    Raises:
        UserError: for a folder without any, and too many files.
    """
    found: list[Path] = []
    for path in paths:
        folder = path.is_dir() and path.suffix not in SUFFIXES
        inside = sorted(file for file in path.rglob("*") if is_exported(file, path)) if folder else [path]
        if not inside:
            raise UserError(f"model={path}: no exported file is in this folder ({', '.join(SUFFIXES)})")
        found += inside
    unique: dict[Path, Path] = {}
    for path in found:
        unique.setdefault(path.resolve(), path)
    if len(unique) > MOST:
        raise UserError(f"model=…: {len(unique)} files are more than {MOST}; name a smaller folder")
    return list(unique.values())


def is_exported(path: Path, root: Path) -> bool:
    """Whether a path in a folder looks like an exported file of ours; .xml alone may be anything."""
    form = SUFFIXES.get(path.suffix)
    within = path.relative_to(root).parts[:-1]
    if form is None or any(part in COPIES or part.startswith(".") or Path(part).suffix in SUFFIXES for part in within):
        return False
    pieces = FORMATS[form].files(path)
    return len(pieces) == 1 or path.with_name(NAME).is_file() or any(piece.is_file() for piece in pieces[1:])


class Content(NamedTuple):
    """What a file's scores are about: its heads' classes, and the class of the data set if its card says it."""

    classes: str
    dataset: str | None

    def agrees(self, other: "Content") -> bool:
        """Whether the scores of both can be compared."""
        return self.classes == other.classes and (
            None in (self.dataset, other.dataset) or self.dataset == other.dataset
        )

    def told(self) -> str:
        """In a few words."""
        known = f"{self.dataset.rpartition('.')[2]}, " if self.dataset else ""
        names = [f"{head}: {', '.join(entries)}" for head, entries in json.loads(self.classes).items()]
        return short(f"{known}{'; '.join(names)}")


def content_of(path: Path, manifest: Mapping[str, Any]) -> Content:
    """What a file's scores are about."""
    classes = {name: [class_name(entry) for entry in task["classes"]] for name, task in manifest["tasks"].items()}
    try:
        target = select(metadata_of(path)["config"], "dataset._target_")
    except UserError:
        target = None  # mode=evaluate says what is wrong with it
    return Content(json.dumps(classes), name_of_today(target) if isinstance(target, str) else None)


def class_name(entry: Any) -> str:
    """The name of a class in model.json."""
    return str(entry.get("name") if isinstance(entry, dict) else entry)


def unlike_most(contents: Mapping[str, Content]) -> dict[str, str]:
    """Files whose scores cannot be compared with those of most files, each with the reason.

    Args:
        contents: by name; of equally many the first decides.
    """
    counts = Counter(contents.values())
    if not counts:
        return {}
    usual = max(counts, key=lambda content: sum(n for other, n in counts.items() if content.agrees(other)))
    return {
        name: f"its classes or data set are others than those of most files ({content.told()}, "
        f"not {usual.told()}): measure it by itself"
        for name, content in contents.items()
        if not content.agrees(usual)
    }
