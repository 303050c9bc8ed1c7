"""Records of a run for its page (tasks/report): pictures with their labels as data, and small JSON files."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.writing import replacing, write_text

FOLDER = "report"  # within a run's folder


class Picture(NamedTuple):
    """An image and what is known of it.

    Attributes:
        entry: plain values; what they mean depends on the record's `type`.
        files: contents by role (`image`, `truth`, `found`) and the ending of their names, such as ("jpg", b"…").
    """

    entry: Mapping[str, Any]
    files: Mapping[str, tuple[str, bytes]]


class Record(NamedTuple):
    """Pictures of one kind.

    Attributes:
        about: `type`: boxes, maps, classes or labels; `classes`: name and colour of each; and what else holds for all.
    """

    about: Mapping[str, Any]
    pictures: Sequence[Picture]


def write_record(record: Record, path: Path) -> None:
    """Write pictures beside `path`, a JSON file that lists them.

    Raises:
        UserError: for a full disk and the like.
    """
    entries = []
    for number, picture in enumerate(record.pictures):
        names = {role: f"{path.stem}_{number}_{role}.{ending}" for role, (ending, _) in picture.files.items()}
        for role, (_, content) in picture.files.items():
            with replacing(path.parent / names[role]) as file:
                file.write(content)
        entries.append({**picture.entry, "files": names})
    write_text(path, json.dumps({**record.about, "pictures": entries}, ensure_ascii=False, separators=(",", ":")))
