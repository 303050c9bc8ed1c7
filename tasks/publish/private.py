"""Leaves names of this machine's folders out of what is published."""

import re
from collections.abc import Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from tasks.config.tree import DATA_ROOT

OF_THIS_MACHINE = ("checkpoint", "resume", "weights", "input", "model", "logger")
FOLDERS = re.compile(r"(?<![\w.}/-])(?:~?/|[A-Za-z]:[\\/])(?:[^\s,'\"\[\]{}()/\\]+[\\/])+(?=[^\s,'\"\[\]{}()/\\])")


def without_folders(text: str) -> str:
    """A text in which absolute paths keep their last name alone: …/street of /home/me/street."""
    return FOLDERS.sub("…/", text)


def portable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's metadata without this machine's folders.

    Data sets are looked for below DATA_ROOT under their folder's name; other files by their name.
    """
    config = {
        key: None if key in OF_THIS_MACHINE else moved(value, (key,)) for key, value in metadata["config"].items()
    }
    return {**metadata, "config": config}


def moved(node: Any, place: tuple[str, ...]) -> Any:
    """A part of a configuration with absolute paths replaced."""
    if isinstance(node, Mapping):
        return {key: moved(value, (*place, str(key))) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [moved(value, place) for value in node]
    if not isinstance(node, str) or not is_absolute(node):
        return node
    name = PureWindowsPath(node).name if "\\" in node else PurePosixPath(node).name
    return f"{DATA_ROOT}/{name}" if place[0] in ("dataset", "datasets") else name


def is_absolute(text: str) -> bool:
    """Whether a text is an absolute path, of this system or another."""
    return text.startswith(("/", "~/")) or bool(re.match(r"[A-Za-z]:[\\/]", text))
