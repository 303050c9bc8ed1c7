"""Nested dictionaries by dotted keys, as the command line names their values."""

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(node: Mapping[Any, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted keys of a nested mapping with their values; lists and empty mappings are values.

    Args:
        above: begins every key, such as "trainer.".
    """
    for key, value in node.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value
