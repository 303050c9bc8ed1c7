"""The command line of a comparison of finished runs: python -m tasks.compare run1 run2 …"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.compare.arguments import AS_KEYS, options_of


class RunsRequest(NamedTuple):
    """Folders of runs, or folders that have several, and where the page goes."""

    folders: list[Path]
    output: Path


def runs_asked(arguments: Sequence[str]) -> RunsRequest | None:
    """What to compare if the arguments name folders and no shares of data; None for a learning curve.

    Raises:
        UserError: for options that a comparison of runs does not have, and words that are no folders.
    """
    words = [word for word in arguments if not word.startswith("-")]
    asks_curve = any(word.partition("=")[0] in ("--data", *AS_KEYS) for word in arguments)
    if asks_curve or not any(Path(word).is_dir() or "/" in word.partition("=")[0] for word in words):
        return None
    own, folders = options_of(arguments)
    for option in own:
        if option != "--output":
            raise UserError(f"{option}: not for a comparison of runs, which trains nothing")
    for word in folders:
        if not Path(word).is_dir():
            raise UserError(f"{word} is no folder; name runs' folders, such as outputs/segment/<date>_<time>")
    output = own.get("--output", time.strftime("outputs/compare/%Y-%m-%d_%H-%M-%S"))
    return RunsRequest([Path(word) for word in folders], Path(output))
