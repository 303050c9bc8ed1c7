"""Images for the parity check and for calibration."""

import numpy as np

from tasks.common.labels import Pixels
from tasks.data.files.samples import Samples


def pixels(samples: Samples, count: int) -> list[Pixels]:
    """Images (H, W, 3) as stored in their files, evenly spaced."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).round().astype(int))
    return [samples.read(int(index))["image"] for index in chosen]
