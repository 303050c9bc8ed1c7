"""Basic definitions of images, labels and numbers."""

import sys
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (H, W, 3) of an image, (H, W) of a label map
VOID = 255  # label of pixels that are ignored in training and scoring


def nearest(old: int, new: int) -> NDArray[np.int64]:
    """For each of `new` pixels, the index of that of `old` in which its centre lies: resizing does not mix classes."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
