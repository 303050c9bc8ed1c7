"""Predicates for entries of untrusted files: classes, model.json, checkpoints' metadata."""

from collections.abc import Callable, Sequence
from typing import Any

from tasks.common.errors import visible
from tasks.common.labels import is_number

LONGEST = 2**14  # pixels per side, boxes per image, …: more is a mistake


def is_whole(value: object, least: int, most: int = LONGEST) -> bool:
    return type(value) is int and least <= value <= most


def whole(least: int) -> str:
    return f"a whole number from {least} to {LONGEST:,}"


def is_moderate(value: Any) -> bool:
    """Whether a value is a number of plausible size for a description."""
    return is_number(value) and abs(value) < 1e9


def is_list(value: object, length: int | None, holds: Callable[[Any], bool]) -> bool:
    """Whether a value is a list, of the given length if any, whose entries all satisfy `holds`."""
    return isinstance(value, list) and length in (None, len(value)) and all(holds(entry) for entry in value)


def is_printable(value: object) -> bool:
    """Whether a value is a string without control characters, which a terminal would execute."""
    return isinstance(value, str) and value.isprintable()


def is_one_of(value: object, choices: Sequence[str]) -> bool:
    return isinstance(value, str) and value in choices


def short(value: object) -> str:
    """A value shortened to at most 60 characters."""
    text = visible(" ".join((value if isinstance(value, str) else repr(value)).split()))
    return text if len(text) <= 60 else f"{text[:59]}…"
