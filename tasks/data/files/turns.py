"""EXIF orientations of many files: each is read once, and what they mean for a split is counted."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.data.files.images import opened_size


class Turns:
    """The EXIF orientations of files, read when they are first asked for; 1 byte each.

    Args:
        known: (N,) int8 orientations; 0 for one that is not read yet.
    """

    def __init__(self, known: NDArray[np.int8]) -> None:
        self.known = known

    def of(self, numbers: Sequence[int]) -> "Turns":
        """Those of some files, in this order."""
        return Turns(self.known[list(numbers)])

    def at(self, index: int, path: Path) -> int:
        """The orientation of a file, from 1 to 8.

        Raises:
            UserError: if it is no image.
        """
        if not self.known[index]:
            self.known[index] = opened_size(path).turn
        return int(self.known[index])


class Seen(NamedTuple):
    """How the labels of photos with an EXIF turn lie, as their sizes tell.

    Attributes:
        upright, stored: number of photos whose labels lie on the upright and on the stored picture.
        unknown: indices of those whose sizes do not tell.
    """

    upright: int = 0
    stored: int = 0
    unknown: Sequence[int] = ()

    @classmethod
    def of(cls, found: Sequence[tuple[int, bool | None]]) -> "Seen":
        """Count indices of photos, each with whether its labels lie on the upright picture; None if it is unknown."""
        upright, stored = (sum(on is side for _, on in found) for side in (True, False))
        return cls(upright, stored, sorted(index for index, on in found if on is None))
