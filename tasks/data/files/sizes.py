"""Sizes and EXIF orientations of many image files, from their headers, kept for the next run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.files.cache import Arrays, cached
from tasks.data.files.images import opened_size


def sizes_of(stamps: Sequence[tuple[str, int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Heights and widths (N, 2) as stored, and EXIF orientations (N,), of image files; 0 for those that cannot be read.

    Args:
        stamps: of the files, see cache.py.
    """

    def of(stamp: tuple[str, int, int]) -> tuple[int, int, int]:
        try:
            (height, width), turn = opened_size(stamp[0])
        except UserError:
            return 0, 0, 0
        return height, width, turn

    def make() -> Arrays:
        with thread_pool() as pool:
            return {"found": np.array(list(pool.map(of, stamps)), np.int64).reshape(-1, 3)}

    found = np.asarray(cached("sizes 1", stamps, make)["found"])
    return found[:, :2], found[:, 2]
