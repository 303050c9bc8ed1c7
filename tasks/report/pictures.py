"""Images of a page: records with their files within the page itself."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.report.reading import read_json
from tasks.report.shapes import ABOVE_0, ANY, LEVEL, NUMBER, TEXT, WHOLE, Each, Is, Maybe, check, is_whole, problem

NAME = re.compile(r"[\w-]+\.(jpg|png)")  # of a file beside the record, never in another folder
KINDS = {"jpg": "jpeg", "png": "png"}
BEGINNINGS = {"jpg": b"\xff\xd8", "png": b"\x89PNG"}
MOST = 200  # pictures of one record
ABOUT = {
    "note": Maybe(TEXT),
    "classes": [{"name": TEXT, "colour": Maybe((LEVEL, LEVEL, LEVEL))}],
    **dict.fromkeys(("threshold", "lowest", "void"), Maybe(NUMBER)),
}
PICTURE = {"name": TEXT, "kind": Maybe(TEXT), "files": Each(ANY)}
SIDES = {"width": ABOVE_0, "height": ABOVE_0}
CORNERS = (NUMBER, NUMBER, NUMBER, NUMBER)
SHARES = [(WHOLE, NUMBER)]
ONE_OR_SHARES = Is("a class, or a list of classes and shares", lambda v: is_whole(v) or not problem(v, SHARES))
OF_TYPE: dict[str, dict[str, Any]] = {  # a picture's own entries, by its record's type
    "boxes": {**SIDES, "truth": [(*CORNERS, WHOLE, WHOLE)], "found": Maybe([(*CORNERS, WHOLE, NUMBER, WHOLE)])},
    "maps": {**SIDES, "right": Maybe(NUMBER)},
    "classes": {"truth": ONE_OR_SHARES, "found": Maybe(SHARES)},
    "labels": {"truth": [WHOLE], "found": Maybe([NUMBER])},
}


def read_pictures(path: Path) -> dict[str, Any] | None:
    """A record of pictures (tasks/common/records.py), its files' contents as data addresses; None without it.

    Raises:
        UserError: for a record that is none, is damaged, or names a file elsewhere.
    """
    record = read_json(path)
    if not record:
        return None
    kind = record.get("type")
    if not isinstance(kind, str) or kind not in OF_TYPE:
        raise UserError(f"{path} is damaged: its type is {kind!r}, none of {', '.join(OF_TYPE)}")
    check(record, ABOUT | {"pictures": [PICTURE | OF_TYPE[kind]]}, path)
    return record | {"pictures": [with_files(each, path) for each in record["pictures"][:MOST]]}


def with_files(picture: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A picture's entry with its `files` as data addresses."""
    if "image" not in picture["files"]:
        raise UserError(f"{path} is damaged: {picture['name']!r} names no file of its image")
    return {**picture, "files": {str(role): as_data(name, path) for role, name in picture["files"].items()}}


def as_data(name: object, path: Path) -> str:
    """The content of a file beside a record, as an address that an image can have."""
    if not isinstance(name, str) or not (match := NAME.fullmatch(name)):
        raise UserError(f"{path} names {name!r}, which is no picture beside it")
    try:
        content = (path.parent / name).read_bytes()
    except OSError as error:
        raise UserError(f"{path} names {name}: {error.strerror}") from error
    if not content.startswith(BEGINNINGS[match[1]]):
        raise UserError(f"{path} names {name}, which has no {KINDS[match[1]].upper()} image")
    return f"data:image/{KINDS[match[1]]};base64,{base64.b64encode(content).decode()}"
