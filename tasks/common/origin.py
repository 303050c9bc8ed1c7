"""Decides whether an error keeps its traceback: those from the user's own code and from bugs in ours do."""

import sysconfig
import traceback
from pathlib import Path

from tasks.common.errors import UserError

OURS = tuple(str(Path(__file__).parents[2] / room) + "/" for room in ("backbones", "heads", "tasks"))
LIBRARIES = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def needs_traceback(error: BaseException) -> bool:
    """Whether an error is caused by code, not by a value in the configuration.

    True if it passed through code outside our packages and the installed libraries, such as a class of the user; also
    for a TypeError or the like raised by our own code: libraries raise them for bad arguments, we do not.
    """
    root, chain = error, [error]
    while root.__cause__ is not None:
        root = root.__cause__
        chain.append(root)
    if isinstance(root, UserError):  # a message, whoever wrote it
        return False
    if any(is_elsewhere(frame.filename) for link in chain for frame in traceback.extract_tb(link.__traceback__)):
        return True
    frames = traceback.extract_tb(root.__traceback__)
    slip = isinstance(root, TypeError | AttributeError | LookupError | NameError | AssertionError)
    return slip and bool(frames) and frames[-1].filename.startswith(OURS)


def is_elsewhere(filename: str) -> bool:
    """Whether a file belongs neither to us nor to an installed library."""
    return not filename.startswith(("<", *OURS, *LIBRARIES)) and "site-packages" not in filename
