"""Sizes and EXIF orientations of many image files, from their headers, kept for the next run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.files.cache import Arrays, cached
from tasks.data.files.images import opened_size

TOGETHER = 500  # files a thread reads at a time: handing over single ones takes as long as reading them


def sizes_of(stamps: Sequence[tuple[str, int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heights and widths (N, 2) as stored, and EXIF orientations (N,), of image files; 0 for those that cannot be read.

    Args:
        stamps: of the files, see cache.py.
    """

    def make() -> Arrays:
        starts = range(0, len(stamps), TOGETHER)
        with thread_pool() as pool:
            parts = pool.map(lambda start: [size_of(path) for path, _, _ in stamps[start : start + TOGETHER]], starts)
            return {"found": np.array([size for part in parts for size in part], np.int64).reshape(-1, 3)}

    found = np.asarray(cached("sizes 1", stamps, make)["found"])
    return found[:, :2], found[:, 2]


def size_of(path: str) -> tuple[int, int, int]:
    """Height, width and EXIF orientation of an image; 0 if it cannot be read."""
    try:
        (height, width), turn = opened_size(path)
    except UserError:
        return 0, 0, 0
    return height, width, turn
