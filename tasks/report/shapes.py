"""Tests what was read from a JSON file against the shape that a page expects, and says where it differs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError


@dataclass(frozen=True)
class Is:
    """A plain value: what it should be, and a test of it."""

    what: str
    test: Callable[[Any], bool]


@dataclass(frozen=True)
class Maybe:
    """A value that may be missing or null."""

    shape: Any


@dataclass(frozen=True)
class Each:
    """An object with any keys whose values look alike."""

    shape: Any


def is_number(value: object) -> bool:
    """Whether a value is a number that JSON has a word for."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def is_whole(value: object) -> bool:
    """Whether a value is a class number or a count; -1 is no class."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= -1


ANY = Is("anything", lambda _: True)
TEXT = Is("a text", lambda value: isinstance(value, str))
NUMBER = Is("a finite number", is_number)
ABOVE_0 = Is("a number above 0", lambda value: is_number(value) and value > 0)
WHOLE = Is("a whole number", is_whole)
LEVEL = Is("a whole number from 0 to 255", lambda value: is_whole(value) and 0 <= value <= 255)


def check(value: Any, shape: Any, path: Path) -> None:
    """Raises a UserError that names the file and the place in it if a value looks otherwise than a shape."""
    if found := problem(value, shape):
        raise UserError(f"{path} is damaged: {found}")


def problem(value: Any, shape: Any, place: str = "") -> str:
    """What is wrong with a value, and where; '' for nothing.

    Args:
        shape: Is, Maybe or Each; a list of one shape for a list of any length; a tuple of shapes for a list of that
            length; a dictionary for an object with these keys and any others.
    """
    if isinstance(shape, Maybe):
        return "" if value is None else problem(value, shape.shape, place)
    if isinstance(shape, Each | dict):
        if not isinstance(value, Mapping):
            return said(value, place, "an object")
        shapes = shape if isinstance(shape, dict) else dict.fromkeys(value, shape.shape)
        parts = [(value.get(key), each, f"{place}.{key}".lstrip(".")) for key, each in shapes.items()]
    elif isinstance(shape, list | tuple):
        if not isinstance(value, list) or (isinstance(shape, tuple) and len(value) != len(shape)):
            return said(value, place, "a list" if isinstance(shape, list) else f"a list of {len(shape)}")
        shapes_of = shape * len(value) if isinstance(shape, list) else shape
        parts = [(one, each, f"{place}[{k}]") for k, (one, each) in enumerate(zip(value, shapes_of, strict=True))]
    else:
        return "" if shape.test(value) else said(value, place, shape.what)
    return next((found for part in parts if (found := problem(*part))), "")


def said(value: object, place: str, wanted: str) -> str:
    """One line about a value that is something else."""
    text = "missing" if value is None else " ".join(repr(value).split())
    return f"{place or 'it'} is {text if len(text) <= 60 else text[:57] + '…'}, not {wanted}"
