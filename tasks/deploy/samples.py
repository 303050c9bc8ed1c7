"""Images for the parity check and for calibration."""

import numpy as np

from tasks.common.labels import Pixels
from tasks.data.files.samples import Samples


def pixels(samples: Samples, count: int) -> list[Pixels]:
    """Images (H, W, 3) as stored in their files, evenly spaced."""
    return [samples.read(index)["image"] for index in spread(len(samples), count)]


def spread(total: int, count: int) -> list[int]:
    """At most so many numbers below total, evenly spaced."""
    return [int(index) for index in np.unique(np.linspace(0, total - 1, count).round())]
