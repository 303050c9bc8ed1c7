"""Leaves names of this machine's folders out of what is published."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from tasks.config.tree import DATA_ROOT

OF_THIS_MACHINE = ("checkpoint", "resume", "weights", "input", "model", "logger")
DATA = ("dataset", "datasets")
FROM_HERE = ("root", "data")  # keys of data sets whose paths begin in the current folder; others' are within the root
SPLITS, OF_SPLITS = ("train", "val"), ("images", "annotations")  # dataset.train.images, which begins there too
SCORES = ("train/", "val/")  # names of scores, such as val/mIoU
ABSOLUTE = re.compile(r"~?/|[A-Za-z]:[\\/]")
FOLDERS = re.compile(
    r"(?<![\w.}/-])"
    r"(?:~?/|[A-Za-z]:[\\/]|\.{1,2}[\\/])"
    r"(?:[^\s,'\"\[\]{}()/\\]+[\\/])*"
    r"(?=[^\s,'\"\[\]{}()/\\])"
)


def without_folders(text: str) -> str:
    """A text in which paths that begin with /, ~/, ./, ../ or a drive keep their last name alone: …/street."""
    return FOLDERS.sub("…/", text)


def without_path(word: str) -> str:
    """A command's word without this machine's folders: dataset.root=…/street of dataset.root=data/street.

    Names of options (experiment=paper/v3), addresses and names of files elsewhere (hf://…) stay.
    """
    key, is_pair, value = word.partition("=")
    name = key.lstrip("+~")
    if is_pair and is_path(value.strip("'\"")) and ("." in name or name in OF_THIS_MACHINE) and moves(name.split(".")):
        return f"{key}=…/{name_of(value)}"
    return without_folders(word)


def portable(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's metadata without this machine's folders.

    Data sets are looked for below DATA_ROOT under their folder's name; other files by their name.
    """
    config = {
        key: None if key in OF_THIS_MACHINE else moved(value, (key,)) for key, value in metadata["config"].items()
    }
    source = str(metadata.get("started"))
    started = {"started": name_of(source)} if is_path(source) else {}
    return {**metadata, "config": config, **started}


def moved(node: Any, place: tuple[str, ...]) -> Any:
    """A part of a configuration with this machine's paths replaced."""
    if isinstance(node, Mapping):
        return {key: moved(value, (*place, str(key))) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [moved(value, place) for value in node]
    if not isinstance(node, str) or not is_path(node) or not (moves(place) or leaves_folder(node)):
        return node
    return f"{DATA_ROOT}/{name_of(node)}" if place[0] in DATA else name_of(node)


def is_path(text: str) -> bool:
    """Whether a text is a path of this machine, absolute or from the current folder.

    Not what DATA_ROOT begins, an address (https://…, hf://…), or the name of a score.
    """
    separated = "/" in text or "\\" in text
    return separated and "://" not in text and "${" not in text and not text.startswith((*SCORES, "hf-hub:"))


def leaves_folder(path: str) -> bool:
    """Whether a path leads out of the data set that it is in."""
    return bool(ABSOLUTE.match(path)) or ".." in re.split(r"[\\/]", path)


def moves(place: Sequence[str]) -> bool:
    """Whether relative paths at a place begin in the current folder, and not in the data set's."""
    below = len(place) > 2 and place[-2] in SPLITS and place[-1] in OF_SPLITS
    return place[0] not in DATA or place[-1] in FROM_HERE or below


def name_of(path: str) -> str:
    """The last name of a path."""
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name
