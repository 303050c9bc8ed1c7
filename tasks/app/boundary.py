"""What the functions of the Python API have in common: short tracebacks for user errors, and checked paths."""

import os
import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from backbones.weight_files import published_file
from tasks.checkpoint.manifest import NAME
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.formats import is_package

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/|data:")  # two letters: C:/ is a drive
CANDIDATES = ("*.ckpt", "checkpoints/*.ckpt", NAME)
P = ParamSpec("P")
R = TypeVar("R")


def short_traceback(function: Callable[P, R]) -> Callable[P, R]:
    """Let a user error begin where a function was called: the frames below say nothing that its line does not.

    HYDRA_FULL_ERROR=1 keeps them, as on the command line. Other errors keep their traceback.
    """

    @wraps(function)
    def call(*arguments: P.args, **keys: P.kwargs) -> R:
        try:
            return function(*arguments, **keys)
        except UserError as error:
            if os.environ.get("HYDRA_FULL_ERROR") == "1":
                raise
            raise error.with_traceback(None) from None

    return call


def path_of(value: Any, function: str, takes: str) -> Path:
    """A path given to a function, with ~ as the home folder.

    Args:
        function: its name, for messages.
        takes: what it takes, for messages.

    Raises:
        UserError: for anything but a path: another type, an empty text, an address.
    """
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UserError(f"{function}() takes {takes}, not {type(value).__name__}")
    if not text or "\0" in text:
        raise UserError(f"{function}({text!r}): not a path; it takes {takes}")
    if address := ADDRESS.match(text):
        raise UserError(f"{function}() opens no address ({address[0]}…): download the file, and give its path")
    return Path(os.path.expanduser(text))  # noqa: PTH111 - Path's raises where there is no such user


def model_path(value: Any, function: str) -> Path:
    """The path of a checkpoint or an exported file; of a folder of tasks.publish, that of its weights.

    Raises:
        UserError: see path_of; for a folder, with the files in it that may be meant.
    """
    path = published_file(path_of(value, function, "the path of a checkpoint or an exported file"))
    if path.is_dir() and not is_package(path):
        files = [str(file) for pattern in CANDIDATES for file in sorted(path.glob(pattern))]
        named = f"; in it: {', '.join(files[:4])}" if files else " without a checkpoint or exported file"
        raise UserError(f"{function}({short(str(value))}): it is a folder{named}")
    return path
