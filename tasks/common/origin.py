"""Whose code an error comes from: what someone else's code raises keeps its traceback, and so does a bug of ours."""

import sysconfig
import traceback
from pathlib import Path

OURS = tuple(str(Path(__file__).parents[2] / room) + "/" for room in ("backbones", "heads", "tasks"))
LIBRARIES = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "platstdlib", "purelib", "platlib")})


def needs_traceback(error: BaseException) -> bool:
    """Whether an error is a fault of code, not of a value in the configuration.

    That is one that passed through code outside our packages and the installed libraries, such as a class of the
    user's; and a TypeError, or the like, of a line of ours: libraries raise them for arguments, we do not.
    """
    root, chain = error, [error]
    while root.__cause__ is not None:
        root = root.__cause__
        chain.append(root)
    if any(is_elsewhere(frame.filename) for link in chain for frame in traceback.extract_tb(link.__traceback__)):
        return True
    frames = traceback.extract_tb(root.__traceback__)
    slip = isinstance(root, TypeError | AttributeError | LookupError | NameError | AssertionError)
    return slip and bool(frames) and frames[-1].filename.startswith(OURS)


def is_elsewhere(filename: str) -> bool:
    """Whether a file is neither ours nor of an installed library."""
    return not filename.startswith(("<", *OURS, *LIBRARIES)) and "site-packages" not in filename
