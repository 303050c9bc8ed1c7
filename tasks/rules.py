"""Rules for single values of the configuration: whether one holds, and what it should have been."""

from collections.abc import Callable
from typing import Any

from omegaconf import ListConfig

Rule = tuple[Callable[[Any], bool], str]
Rules = dict[str, Rule]


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def is_size(value: Any) -> bool:
    """Whether a value is a height and a width."""
    return isinstance(value, ListConfig) and len(value) == 2 and all(type(v) is int and 1 <= v <= 2**14 for v in value)


def whole(least: int, optional: bool = False) -> Rule:
    """A rule: an integer of at least so much."""
    text = f"a whole number, {least} or more" + (", or null" if optional else "")
    return lambda v: (v is None and optional) or (isinstance(v, int) and not isinstance(v, bool) and v >= least), text


def one_of(*choices: object) -> Rule:
    """A rule: a value among these."""
    return lambda v: v in choices, f"one of {', '.join(map(str, choices))}"


SWITCH: Rule = (lambda v: isinstance(v, bool), "true or false")
