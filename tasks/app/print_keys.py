"""`python -m tasks.<task> --keys [prefix] [--json] [group=option …]`: what can be typed, and what it does."""

import difflib
import json
import shutil
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import yaml

from tasks.app.keys import Key, keys_of_command
from tasks.common.errors import UserError
from tasks.common.plugins import take_from, without_folder

OPTION, AS_JSON = "--keys", "--json"
WIDEST, INDENT = 80, "    "


def print_keys(task: str, arguments: Sequence[str], prepared: Callable[[Sequence[str]], list[str]]) -> None:
    """Print the keys whose names begin with a prefix; all of them without one.

    Args:
        arguments: of the command line; overrides change what is composed.
        prepared: checks overrides, and makes Hydra's of them.

    Raises:
        UserError: for a prefix that no key has, two of them, other options, and overrides that the command refuses.
    """
    take_from(arguments)
    words = [word for word in without_folder(arguments) if word not in (OPTION, AS_JSON, "")]
    prefixes = [word for word in words if "=" not in word and not word.startswith("~")]
    if len(prefixes) > 1 or (prefixes[0:1] and prefixes[0].startswith("-")):
        raise UserError(f"{OPTION} {' '.join(prefixes)}: at most one prefix goes with it, and {AS_JSON}")
    overrides = prepared([word for word in words if word not in prefixes])
    keys = keys_of_command(task, overrides)
    if prefixes:
        keys = below(keys, prefixes[0].rstrip("."))
    print(as_json(keys) if AS_JSON in arguments else as_text(keys))


def below(keys: Sequence[Key], prefix: str) -> list[Key]:
    """The keys of a section, or the one of this name.

    Raises:
        UserError: if there are none, with the closest names.
    """
    found = [key for key in keys if key.name == prefix or key.name.startswith((f"{prefix}.", f"{prefix}@"))]
    if not found:
        near = nearest(prefix, [key.name for key in keys])
        raise UserError(f"{OPTION} {prefix}: no key begins so" + (f"; near it: {', '.join(near)}" if near else ""))
    return found


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """At most five keys or sections like a word; first those that end with it."""
    every = list(dict.fromkeys(part for name in names for part in sections_of(name)))
    same = [name for name in every if name.endswith(f".{word}") or f".{word}." in f"{name}."]
    near = difflib.get_close_matches(word, every, n=3, cutoff=0.6)
    last = {name.rpartition(".")[2]: name for name in reversed(every)}
    like = [last[name] for name in difflib.get_close_matches(word.rpartition(".")[2], last, n=3, cutoff=0.7)]
    return list(dict.fromkeys([*same, *near, *like]))[:5]


def sections_of(name: str) -> list[str]:
    """A key and the sections that it is in: a.b.c, a.b and a."""
    words = name.split(".")
    return [".".join(words[:count]) for count in range(1, len(words) + 1)]


def as_text(keys: Iterable[Key], width: int = 0) -> str:
    """A paragraph for each key: `key=value`, comment, and what is allowed.

    Args:
        width: of a line; 0: the terminal's, at most 80. No line is broken inside a word.
    """
    width = width or min(WIDEST, shutil.get_terminal_size().columns)
    return "\n".join("\n".join(paragraph(key, max(width, 20))) for key in keys)


def paragraph(key: Key, width: int) -> list[str]:
    """The lines of a key."""
    allowed = f"one of {', '.join(key.choices)}" if key.choices else key.rule
    head = f"{key.name}={shown(key.value)}"
    lines = wrapped(head, width, "", INDENT)
    for text in (key.comment, allowed):
        lines += wrapped(text, width, INDENT, INDENT) if text else []
    return lines


def wrapped(text: str, width: int, first: str, others: str) -> list[str]:
    """Lines of at most this width, unless a single word is longer."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def shown(value: Any) -> str:
    """A value as it is typed."""
    if value == "???":
        return "… (must be typed)"
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def as_json(keys: Iterable[Key]) -> str:
    """A list of objects: key, value, comment, rule, choices (null if there are too many), group, file."""
    entries = [
        {
            "key": key.name,
            "value": key.value,
            "comment": key.comment,
            "rule": key.rule,
            "choices": list(key.choices) or None,
            "group": key.group,
            "file": key.file,
        }
        for key in keys
    ]
    return json.dumps(entries, indent=1, ensure_ascii=False)
