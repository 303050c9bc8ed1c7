"""Ids of a JSON file's objects as integers, whether written as 7, 7.0, "7", "000007" or text."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.json_rows import Row, as_integer, column, entry, is_integer

Integers = NDArray[np.int64]


class Ids:
    """The ids of some objects, in order.

    Args:
        numbers: (N,) the ids, or their substitutes.
        texts: the ids, if they are texts that are not numbers.

    Attributes:
        note: one line about how they were read; '' for integers.
    """

    def __init__(self, numbers: Integers, texts: Sequence[str] | None = None, note: str = "") -> None:
        self.numbers, self.texts, self.note = numbers, texts, note

    def places(self, values: Sequence[Any]) -> Integers:
        """Index of each value among the ids; -1 for unknown ones."""
        if self.texts is None and all(map(is_integer, values)):
            order = np.argsort(self.numbers, kind="stable")
            wanted = np.array(values, np.int64)
            found = order[np.searchsorted(self.numbers, wanted, sorter=order).clip(max=len(order) - 1)]
            return np.where(self.numbers[found] == wanted, found, -1)
        known = {
            value: place for place, value in enumerate(self.numbers.tolist() if self.texts is None else self.texts)
        }
        return np.array([known.get(self.key(value), -1) for value in values], np.int64)

    def key(self, value: Any) -> Hashable:
        """Key to look up a value by."""
        return as_integer(value) if self.texts is None else as_text(value)

    def some(self) -> str:
        """The first ids, for a message."""
        ids = [str(number) for number in np.sort(self.numbers)[:8]] if self.texts is None else self.texts[:8]
        return ", ".join(ids) + (", …" if len(self.numbers) > 8 else "")


def as_text(value: Any) -> str | None:
    """An id as text; None for an invalid id."""
    if isinstance(value, str):
        return value.strip()
    number = as_integer(value)
    return None if number is None else str(number)


def read_ids(rows: Sequence[Row], what: str, path: Path, *, unique: bool = True) -> Ids:
    """The rows' ids. Texts that are not numbers are numbered from 1 in alphabetical order.

    Args:
        unique: whether duplicates are an error.

    Raises:
        UserError: for an invalid id, a duplicate, or no rows.
    """
    if not rows:
        raise UserError(f"{path} lists no {what}")
    values = column(rows, "id", what, path)
    if all(map(is_integer, values)):
        ids = Ids(np.array(values, np.int64))
    else:
        numbers, texts = [as_integer(value) for value in values], [as_text(value) for value in values]
        for place, text in enumerate(texts):
            if not text:
                name = entry(what, rows[place], place)
                raise UserError(f"{path}: {name} has id {short(values[place])}, which is no whole number and no text")
        some = f"{what} ids are texts ({short(values[0])}, …)"
        if None not in numbers and len(set(numbers)) == len(set(texts)):
            said = f"{some}: read as whole numbers" if any(isinstance(value, str) for value in values) else ""
            ids = Ids(np.array(numbers, np.int64), note=said)
        else:
            rank = {text: number for number, text in enumerate(sorted({text for text in texts if text}), 1)}
            known = [text for text in texts if text]
            ids = Ids(np.array([rank[text] for text in known]), known, f"{some}: numbered from 1 in alphabetical order")
    found, counts = np.unique(ids.numbers, return_counts=True)
    for value in found[counts > 1][: int(unique)]:
        first = values[int(np.flatnonzero(ids.numbers == value)[0])]
        raise UserError(f"{path}: {what} id {first} is there {counts[found == value][0]} times")
    return ids


def refer(values: Sequence[Any], ids: Ids, rows: Sequence[Row], key: str, path: Path) -> Integers:
    """Indices of values among ids.

    Raises:
        UserError: for an unknown value, with the annotation that has it.
    """
    places = ids.places(values)
    unknown = np.flatnonzero(places < 0)
    for place in unknown[:1]:
        value = values[place]
        if as_text(value) is None:
            why = "which is no whole number below 2^63 and no text"
        else:
            why = f"which is not listed ({ids.some()})" + (
                f"; so have {len(unknown) - 1} more" if len(unknown) > 1 else ""
            )
            why += f": remove the annotation, or list its {key.removesuffix('_id')}"
        raise UserError(f"{path}: {entry('annotation', rows[place], int(place))} has {key} {short(value)}, {why}")
    return places
