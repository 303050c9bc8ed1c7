"""Conditions on a configuration, written as on the command line: `mode=evaluate|predict and model=…`.

key=value       the key has this value, as it is typed: null, true, 0.5
key=a|b         one of these
key!=value      any other
key=…           it asks for something: not null, none, false, 0 or empty
key=…mask…      inside a text, … stands for any characters
a and b or c    `and` binds more tightly than `or`; there are no parentheses
"""

from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from tasks.common.labels import is_number
from tasks.config.tree import Tree, select


class Term(NamedTuple):
    """A key, and the values one of which it must have, or must not."""

    key: str
    values: tuple[str, ...]
    negated: bool

    @property
    def text(self) -> str:
        """The term as it is written."""
        return f"{self.key}{'!' if self.negated else ''}={'|'.join(self.values)}"

    def holds(self, tree: Tree) -> bool:
        """Whether it is true of a configuration."""
        value = select(tree, self.key)
        if self.values == ("…",):
            return is_set(value) is not self.negated
        return any(fnmatchcase(text_of(value), each.replace("…", "*")) for each in self.values) is not self.negated


def term_of(text: str) -> Term:
    key, _, values = text.partition("=")
    return Term(key.removesuffix("!"), tuple(values.split("|")), key.endswith("!"))


def alternatives(condition: str) -> list[list[Term]]:
    """The parts between `or`, each of terms that must all hold; none for ''."""
    return [[term_of(text) for text in each.split(" and ")] for each in condition.split(" or ")] if condition else []


def terms(condition: str) -> list[Term]:
    """All terms of a condition."""
    return [term for each in alternatives(condition) for term in each]


def holds(condition: str, tree: Tree) -> bool:
    """Whether a condition is true of a configuration."""
    return any(all(term.holds(tree) for term in each) for each in alternatives(condition))


def is_set(value: Any) -> bool:
    """Whether a value asks for something; `none` is how some choices are switched off."""
    return value not in (None, False, 0, "", "none") and value != [] and value != {}


def text_of(value: Any) -> str:
    """A value as it is typed."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if is_number(value) else str(value)


def shown(value: Any) -> str:
    """A value in a message."""
    return text_of(value) if not isinstance(value, list | tuple) else f"[{','.join(map(text_of, value))}]"
