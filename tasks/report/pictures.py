"""Images of a page: records with their files within the page itself."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.report.reading import read_json

NAME = re.compile(r"[\w-]+\.(jpg|png)")  # of a file beside the record, never in another folder
KINDS = {"jpg": "jpeg", "png": "png"}
MOST = 200  # pictures of one record


def read_pictures(path: Path) -> dict[str, Any] | None:
    """A record of pictures (tasks/common/records.py), its files' contents as data addresses; None without it.

    Raises:
        UserError: for a record that is none, or names a file elsewhere.
    """
    record = read_json(path)
    if not record:
        return None
    pictures = record.get("pictures")
    if not isinstance(pictures, list) or not all(isinstance(each, Mapping) for each in pictures):
        raise UserError(f"{path} has no list of pictures")
    return record | {"pictures": [with_files(each, path) for each in pictures[:MOST]]}


def with_files(picture: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """A picture's entry with its `files` as data addresses."""
    files = picture.get("files")
    names = files if isinstance(files, Mapping) else {}
    return {**picture, "files": {str(role): as_data(name, path) for role, name in names.items()}}


def as_data(name: object, path: Path) -> str:
    """The content of a file beside a record, as an address that an image can have."""
    if not isinstance(name, str) or not (match := NAME.fullmatch(name)):
        raise UserError(f"{path} names {name!r}, which is no picture beside it")
    try:
        content = (path.parent / name).read_bytes()
    except OSError as error:
        raise UserError(f"{path} names {name}: {error.strerror}") from error
    return f"data:image/{KINDS[match[1]]};base64,{base64.b64encode(content).decode()}"
