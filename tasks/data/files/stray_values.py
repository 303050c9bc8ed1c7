"""Values that label files hold by mistake: of classes that were found in the files, those that are hardly there."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from tasks.data.files.class_lists import ListedClass
from tasks.data.files.class_values import share

LEAST = 8  # label files, of which one may be odd
FEW = 100  # a stray value is in one file, or in one of so many
SMALL = 0.01  # share of all pixels


def strays(files: ArrayLike, pixels: ArrayLike, *, of_files: int, of_pixels: int) -> list[int]:
    """Indices of the values that are in very few label files, and there in few pixels; [] if no other would be left.

    Args:
        files, pixels: (K,) label files and pixels with each value.
        of_files, of_pixels: of the whole data set.
    """
    if of_files < LEAST:
        return []
    files, pixels = np.asarray(files), np.asarray(pixels)
    rare = (files > 0) & (files <= max(1, of_files // FEW)) & (pixels < SMALL * of_pixels)
    return [] if rare.all() else np.flatnonzero(rare).tolist()


def described(one: ListedClass, files: int, pixels: int, *, of_files: int, of_pixels: int) -> str:
    """A stray value: `value 77: one file of 12, 0.12% of the pixels`."""
    kind = "colour" if one.colours else "value"
    some = "one file" if files == 1 else f"{files:,} files"
    return f"{kind} {one.name}: {some} of {of_files:,}, {share(pixels / max(1, of_pixels))} of the pixels"


def listing(classes: Sequence[ListedClass], ignore: Any) -> str:
    """The keys that list classes as they were found, for a shell: any other value is refused.

    Colours are named without #, which Hydra does not read.

    Args:
        ignore: values or colours that are void.

    >>> listing([ListedClass("0", (0,)), ListedClass("7", (7,))], [255])
    '"dataset.classes={0: 0, 7: 7}" "dataset.ignore=[255]"'
    """
    entries = [
        f"{one.name.replace('#', 'c')}: {str(list(one.colours[0])).replace(' ', '') if one.colours else one.values[0]}"
        for one in classes
    ]
    void = f' "dataset.ignore={str(ignore).replace(" ", "")}"' if ignore else ""
    return f'"dataset.classes={{{", ".join(entries)}}}"{void}'
