"""Sizes of images whose annotations have none."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.data.files.images import opened_size


def complete_sizes(
    sizes: NDArray[np.int64], folder: Path, files: Sequence[str], *, upright: bool, source: str
) -> NDArray[np.int64]:
    """(N, 2) heights and widths, with 0 replaced by those in the images' headers, and a line that says so.

    Args:
        upright: whether the images are read upright, whatever their annotations.
        source: of the annotations, for the line.

    Raises:
        UserError: for a file that is not an image.
    """
    places = np.flatnonzero(~sizes.all(1))
    if not len(places):
        return sizes
    with thread_pool() as pool:
        read = list(pool.map(lambda place: opened_size(folder / files[place]).seen(upright), places))
    sizes = sizes.copy()
    sizes[places] = read
    print(f"{source}: {len(places)} sizes that the files lack are taken from the images", flush=True)
    return sizes
