"""Garbage collection, which has nothing to find in packages that stay until the process ends."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection(module: str) -> Iterator[None]:
    """Import a large package inside the block without garbage collection, which passes over it from then on.

    PyTorch and Lightning are half a million objects, none of which ever goes. Python would look through all of them ten
    times while they are loaded, a fifth of that time, and later in every training. Nothing is changed if the package is
    there already: then what else lives in the process may well become garbage.

    Args:
        module: the package.
    """
    if module in sys.modules:
        yield
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
