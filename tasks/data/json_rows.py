"""Lists of objects in JSON files: each key's values as a column, with errors that name the file and the object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import UserError

Row = Mapping[str, Any]


def rows(content: Row, key: str, path: Path) -> Sequence[Row]:
    """One of the file's lists of objects."""
    if key not in content:
        raise UserError(f"{path} lacks {key}; it has {', '.join(content) or 'nothing'}")
    values = content[key]
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
    """What finds a row in its file."""
    return f"{what} {short(row['id'])}" if "id" in row else f"{what} number {place}"


def texts(rows: Sequence[Row], key: str, what: str, path: Path) -> list[str]:
    """The values of a key that every row must have, as text.

    Raises:
        UserError: for half of a surrogate pair, which JSON can hold but no file and no terminal.
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
    return type(value) is int and abs(value) < 2**63  # JSON's true is an int to isinstance


def is_number(value: object) -> bool:
    return type(value) is float or is_integer(value)


def numbers(rows: Sequence[Row], key: str, what: str, path: Path) -> NDArray[np.int64]:
    """The values of a key that must be whole numbers."""
    values = column(rows, key, what, path)
    for place, value in enumerate(values):
        if not is_integer(value):
            name = entry(what, rows[place], place)
            raise UserError(f"{path}: {name} has {key} {short(value)}, which is not a whole number below 2^63")
    return np.array(values, np.int64)


def unique_ids(rows: Sequence[Row], what: str, path: Path) -> NDArray[np.int64]:
    """The rows' ids.

    Raises:
        UserError: for one that is there twice, and where there are no rows.
    """
    if not rows:
        raise UserError(f"{path} lists no {what}")
    ids = numbers(rows, "id", what, path)
    values, counts = np.unique(ids, return_counts=True)
    for value in values[counts > 1][:1]:
        raise UserError(f"{path}: {what} id {value} is there {counts[values == value][0]} times")
    return ids
