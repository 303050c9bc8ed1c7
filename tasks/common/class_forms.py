"""How the classes of a task are stored: in a checkpoint's metadata, and in model.json of an exported file."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tasks.common.entries import is_list, is_printable, is_whole


class ClassForm(NamedTuple):
    """The form of an entry in a list of classes.

    Attributes:
        in_card: whether a value is a valid entry of metadata, where entries are names or lists.
        in_model_json: whether a value is a valid entry of model.json, where entries are names or objects with keys.
        text: describes the form in model.json, for messages.
        nameless: makes a given number of entries for a network whose data set is not available.
    """

    in_metadata: Callable[[object], bool]
    in_model_json: Callable[[object], bool]
    text: str
    nameless: Callable[[int], list[Any]]


def is_pair(entry: object) -> bool:
    """Whether a class is a name and an id."""
    return isinstance(entry, list | tuple) and len(entry) == 2 and is_printable(entry[0]) and type(entry[1]) is int


def is_triple(entry: object) -> bool:
    """Whether a class is a name, an id and a colour of red, green and blue."""
    if not isinstance(entry, list | tuple) or len(entry) != 3 or not is_pair(entry[:2]):
        return False
    return isinstance(entry[2], list | tuple) and is_colour([*entry[2]])


def is_colour(value: object) -> bool:
    return is_list(value, 3, lambda part: is_whole(part, 0, 255))


def is_named(entry: object) -> bool:
    return isinstance(entry, dict) and is_printable(entry.get("name"))


def is_numbered(entry: Any) -> bool:
    return is_named(entry) and is_whole(entry.get("id"), -(2**63), 2**63 - 1)


def is_coloured(entry: Any) -> bool:
    return is_named(entry) and is_whole(entry.get("id"), 0, 255) and is_colour(entry.get("colour"))


def names(count: int) -> list[str]:
    return [f"class {number}" for number in range(count)]


NAMED = ClassForm(is_printable, is_printable, "a name", names)
NUMBERED = ClassForm(
    is_pair, is_numbered, "{name, id}", lambda count: [[name, number] for number, name in enumerate(names(count), 1)]
)
COLOURED = ClassForm(
    is_triple,
    is_coloured,
    "{name, id from 0 to 255, colour [red, green, blue]}",
    lambda count: [[name, number, [0, 0, 0]] for number, name in enumerate(names(count))],
)
