"""What a file of decoded images was made from: equal keys mean equal pixels."""

import functools
import hashlib
import os
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tasks.data.files.files import Files, View
from tasks.data.files.images import decoders
from tasks.data.files.turns import Turns

VERSION = 1  # of the file's format and of how images become what lies in it


class UnknownError(Exception):
    """Something that pixels depend on has no known value: it is code of other people's."""


def key_of(samples: Files, rows: NDArray[np.int64], view: View | None, side: int | None) -> str:
    """32 hexadecimal digits for the pixels of some images.

    They follow from the image files' paths, sizes and times of change; those of the label files; how these become
    class numbers; what decides whether a photo is turned; the view or the shorter side; and the decoders' releases.
    Labels other than label maps are not among it: they are never kept.

    Args:
        rows: indices of the images.

    Raises:
        UnknownError: if it depends on objects of other packages.
    """
    if not type(samples).__module__.startswith("tasks."):
        raise UnknownError(type(samples).__name__)
    digest = hashlib.blake2b(digest_size=16)
    masks, boxes = getattr(samples, "masks", None), getattr(samples, "boxes", None)
    unsaid = getattr(samples, "unsaid", None)
    said: list[Any] = [VERSION, decoders(), torch.__version__]
    said += [view, side, type(samples), samples.white, samples.upright, masks]
    said += [None if boxes is None else boxes.sizes[rows], None if unsaid is None else unsaid[rows]]
    feed(digest.update, said)
    for row in rows.tolist():
        files = [samples.path(row), *(() if masks is None else masks.read_from(row))]
        digest.update(repr([stamp_if_there(file) for file in files]).encode(errors="surrogateescape"))
    return digest.hexdigest()


def stamp_if_there(path: Path) -> tuple[str, int, int]:
    """Absolute path, size and time of change of a file; -1 for one that cannot be found."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return os.path.abspath(path), -1, -1  # noqa: PTH100 - Path.absolute keeps ..
    return os.path.abspath(path), found.st_size, found.st_mtime_ns  # noqa: PTH100


def feed(update: Any, value: Any) -> None:
    """Add a value and all that it consists of to a digest.

    Raises:
        UnknownError: for an object of another package.
    """
    if isinstance(value, Turns):
        return  # what was read so far
    if value is None or isinstance(value, bool | int | float | str | bytes):
        update(f"{type(value).__name__} {value!r};".encode(errors="surrogateescape"))
    elif isinstance(value, Path):
        update(f"path {value};".encode(errors="surrogateescape"))
    elif isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        update(f"array {value.dtype.str} {value.shape};".encode())
        update(np.ascontiguousarray(value))
    elif isinstance(value, list | tuple | set | frozenset):
        update(f"{type(value).__qualname__} {len(value)};".encode())
        for item in sorted(value, key=repr) if isinstance(value, set | frozenset) else value:
            feed(update, item)
    elif isinstance(value, Mapping):
        update(f"mapping {len(value)};".encode())
        for item in value.items():
            feed(update, item)
    elif isinstance(value, functools.partial):
        feed(update, [value.func, value.args, value.keywords])
    elif isinstance(value, types.MethodType):
        feed(update, [value.__func__, value.__self__])
    else:
        feed_ours(update, value)


def feed_ours(update: Any, value: Any) -> None:
    """Add a class, a function or an object of ours to a digest.

    Raises:
        UnknownError: for those of another package, whose release does not tell what they do.
    """
    named = value if isinstance(value, type | types.FunctionType) else type(value)
    if not named.__module__.startswith("tasks."):
        raise UnknownError(named.__qualname__)
    update(f"{named.__module__}.{named.__qualname__};".encode())
    if isinstance(value, types.FunctionType):
        feed(update, [value.__defaults__, [cell.cell_contents for cell in value.__closure__ or ()]])
    elif not isinstance(value, type):
        for name, part in sorted(vars(value).items()):
            if not isinstance(getattr(named, name, None), functools.cached_property):  # there once it was asked for
                feed(update, [name, part])
