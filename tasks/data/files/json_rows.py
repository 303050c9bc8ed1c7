"""Lists of objects in JSON files, read by column, with errors that name file and object."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.opening import open_file, reason, shown

WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?inf(inity)?|nan", re.IGNORECASE | re.ASCII)
Row = Mapping[str, Any]
PACKED = {b"\x1f\x8b": "gzip", b"PK": "zip", b"\xfd7": "xz", b"BZ": "bzip2", b"(\xb5": "zstd"}


def read_text(path: Path) -> bytes:
    """The bytes of a text file.

    Raises:
        UserError: if it cannot be read, or is compressed.
    """
    try:
        with open_file(path) as file:
            text = file.read()
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {reason(path, error)}") from error
    if text[:2] in PACKED:
        raise UserError(f"{shown(path)} is packed ({PACKED[text[:2]]}): unpack it first")
    return text


def parse_json(text: bytes, path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        UserError: if it is not JSON, or too deeply nested.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        what = str(error) if text.strip() else "it is empty"
        raise UserError(f"{shown(path)} is not JSON: {what}") from error
    except RecursionError:
        raise UserError(f"{shown(path)} is nested too deeply to be read") from None


def read_json(path: Path) -> Any:
    """The content of a JSON file; a UserError if it cannot be read."""
    return parse_json(read_text(path), path)


def as_number(value: object) -> float | int | None:
    """A finite or infinite number, possibly written as text; None for anything else.

    Python's float() would also accept "1_0" and digits of other scripts.
    """
    if is_json_number(value):
        return value  # type: ignore[return-value]
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value.strip()) else None


def rows(content: Row, key: str, path: Path) -> Sequence[Row]:
    """The file's list of objects under this key, or those of a mapping of ids to objects."""
    if key not in content:
        way = '; files of images without objects have "annotations": []' if key == "annotations" else ""
        raise UserError(f"{path} lacks {key}; it has {', '.join(content) or 'nothing'}{way}")
    values = content[key]
    if (
        isinstance(values, dict)
        and values
        and all("id" in value for value in values.values() if isinstance(value, dict))
    ):
        values = list(values.values())  # by id, as LIVECell has them
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise UserError(f"{path}: {key} is not a list of objects")
    return values


def column(rows: Sequence[Row], key: str, what: str, path: Path) -> list[Any]:
    """The values of a key that every row must have."""
    try:
        return [row[key] for row in rows]
    except KeyError:
        place, row = next((place, row) for place, row in enumerate(rows) if key not in row)
        raise UserError(f"{path}: {entry(what, row, place)} lacks {key}") from None


def entry(what: str, row: Row, place: int) -> str:
    """Description that locates a row in its file."""
    return f"{what} {short(row['id'])}" if "id" in row else f"{what} number {place}"


def texts(rows: Sequence[Row], key: str, what: str, path: Path) -> list[str]:
    """The values of a key that every row must have, as text.

    Raises:
        UserError: for a lone surrogate, which JSON can hold but file names and terminals cannot.
    """
    values = [str(value) for value in column(rows, key, what, path)]
    for place, value in enumerate(values):
        try:
            value.encode()
        except UnicodeEncodeError:
            name = entry(what, rows[place], place)
            raise UserError(f"{path}: {name} has {key} {short(value)}, which is no valid Unicode") from None
    return values


def is_integer(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63  # isinstance would accept true as an int


def is_json_number(value: object) -> bool:
    return type(value) is float or is_integer(value)


def as_integer(value: object) -> int | None:
    """An integer below 2^63, possibly written as 1.0 or "1"; None for anything else."""
    if is_integer(value):
        return value  # type: ignore[return-value]
    if isinstance(value, str) and WHOLE.fullmatch(value.strip()):
        value = int(value)
        return value if is_integer(value) else None
    number = as_number(value)
    whole = number is not None and math.isfinite(number) and number == int(number) and abs(number) < 2**53
    return int(number) if whole and number is not None else None


def numbers(rows: Sequence[Row], key: str, what: str, path: Path) -> NDArray[np.int64]:
    """The values of a key that must be integers; 640.0 and "640" are accepted."""
    values = column(rows, key, what, path)
    if not all(map(is_integer, values)):
        found = [as_integer(value) for value in values]
        for place, value in enumerate(found):
            if value is None:
                name = entry(what, rows[place], place)
                raise UserError(
                    f"{path}: {name} has {key} {short(values[place])}, which is not a whole number below 2^63"
                )
        values = found
    return np.array(values, np.int64)
