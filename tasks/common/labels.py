"""What images, labels and numbers are, wherever they are held."""

import sys
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # (H, W, 3) of an image, (H, W) of a label map
VOID = 255  # the label of a pixel that is neither learned from nor scored


def nearest(old: int, new: int) -> NDArray[np.int64]:
    """Which of `old` pixels the centre of each of `new` pixels lies in: labels are resized without mixing classes."""
    return (2 * np.arange(new) + 1) * old // (2 * new)


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a finite number; true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
