"""Rules for single values of the configuration: a check, and a description of what is allowed."""

import math
import re
from collections.abc import Callable
from typing import Any

from tasks.common.errors import suggestion
from tasks.common.labels import is_number

Rule = tuple[Callable[[Any], bool], str]
Rules = dict[str, Rule]
SHORTEST, LONGEST = 4, 2**14  # pixels per side of an image; losses are taken at a quarter of it


def is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def is_size(value: Any) -> bool:
    """Whether a value is a height and a width."""
    return is_list(value) and len(value) == 2 and all(is_whole(v) and SHORTEST <= v <= LONGEST for v in value)


def whole(least: int, optional: bool = False, most: int | None = None) -> Rule:
    """A rule: an integer within bounds."""
    text = f"a whole number, {least} or more" if most is None else f"a whole number from {least:,} to {most:,}"
    text += ", or null" if optional else ""
    return lambda v: (v is None and optional) or (is_whole(v) and v >= least and (most is None or v <= most)), text


def number(
    least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf, below: float = math.inf
) -> Rule:
    """A rule: a finite number within bounds."""
    low = f"above {above:g}" if above > -math.inf else f"from {least:g}" if least > -math.inf else ""
    high = f"below {below:g}" if below < math.inf else f"up to {most:g}" if most < math.inf else ""
    text = (
        f"{low} to {most:g}" if low and high.startswith("up") else f"{low} and {high}" if low and high else low or high
    )
    return lambda v: is_number(v) and least <= v <= most and above < v < below, f"a number {text}".strip()


def one_of(*choices: object) -> Rule:
    """A rule: one of these values; 1 does not count as true."""
    names = ", ".join("null" if choice is None else str(choice) for choice in choices)
    text = f"one of {names}" if len(choices) > 1 else names
    return lambda v: any(v == choice and type(v) is type(choice) for choice in choices), text


def either(*rules: Rule) -> Rule:
    """A rule: at least one of several rules holds."""
    return lambda v: any(holds(v) for holds, _ in rules), ", or ".join(text for _, text in rules)


def optional(rule: Rule) -> Rule:
    """A rule: null is also allowed."""
    return lambda v: v is None or rule[0](v), f"{rule[1]}, or null"


def list_of(rule: Rule, count: int | None = None, least: int = 1) -> Rule:
    """A rule: a list of `count` values, or of at least `least`, each of which satisfies another rule."""
    holds, text = rule
    what = "a list" if count is None else f"a list of {count} values"
    return (
        lambda v: is_list(v) and (len(v) >= least if count is None else len(v) == count) and all(map(holds, v)),
        f"{what}, each {text}",
    )


def ascending(rule: Rule) -> Rule:
    """A rule: two values that satisfy another rule, in ascending order."""
    holds, text = list_of(rule, 2)
    return lambda v: holds(v) and v[0] <= v[1], f"{text}, the lower one first"


def meant(value: object, rule: Rule) -> str:
    """' (did you mean …?)' for a text that violates a rule, from words of its description that it accepts; or ''."""
    holds, text = rule
    if not isinstance(value, str):
        return ""
    return suggestion(value, (word for word in re.findall(r"[\w.-]+", text) if holds(word)))


SWITCH: Rule = (lambda v: isinstance(v, bool), "true or false")
TEXT: Rule = (lambda v: isinstance(v, str) and v.strip() != "", "a name")
SHARE = number(0, 1)
POSITIVE = number(above=0)
FROM_ZERO = number(0)
SIZE: Rule = (is_size, "[height, width], each between 4 and 16,384")
