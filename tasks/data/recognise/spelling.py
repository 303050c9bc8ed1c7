"""Writes values as Hydra's command line and a shell read them."""

import math
import re
import shlex
from collections.abc import Mapping
from typing import Any

PLAIN = re.compile(r"[A-Za-z_./][\w./+@%-]*")
SPECIAL = re.compile(r"([\\()\[\]{}:=, \t])")
WORDS = ("null", "true", "false", "nan", "inf")


def override(key: str, value: Any) -> str:
    """`key=value` for Hydra.

    >>> override("dataset.template", "{stem}_mask.png")
    "dataset.template='{stem}_mask.png'"
    >>> override("dataset.classes", {"sky": 0, "road": [3, 4]})
    'dataset.classes={sky:0,road:[3,4]}'
    """
    return f"{key}={written(value)}"


def written(value: Any) -> str:
    """A value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{escaped(key)}:{written(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(written, value)) + "]"
    if isinstance(value, int | float) and math.isfinite(value):
        return str(value)
    text = str(value)
    if PLAIN.fullmatch(text) and text.lower() not in WORDS:
        return text
    return "'" + re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"


def escaped(key: object) -> str:
    """A key of a mapping, which cannot be quoted there."""
    return SPECIAL.sub(r"\\\1", str(key))


def command(module: str, arguments: list[str]) -> str:
    """A command for a shell."""
    return " ".join(["python", "-m", module, *map(quoted, arguments)])


def quoted(word: str) -> str:
    """A word for a shell, in double quotes if Hydra's single ones are in it."""
    return f'"{word}"' if "'" in word and not set('"$`\\!') & set(word) else shlex.quote(word)
