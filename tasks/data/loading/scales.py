"""Multi-scale training: each batch has one of several image sizes (Redmon and Farhadi, CVPR 2017, section 2)."""

from collections.abc import Sequence

import numpy as np

from tasks.data.files.files import View
from tasks.data.transforms.letterbox import Letterbox, PlacedView, Stretch

Size = tuple[int, int]  # height, width
OF_SIZES = 0x51_2E5  # keeps these draws apart from those of orders and samples, which share the seed


def drawn_size(sizes: Sequence[Size], seed: int, epoch: int, batch: int) -> Size | None:
    """The size of a global batch, all equally likely; None without sizes. The same in every process."""
    if not sizes:
        return None
    return sizes[int(np.random.default_rng((seed, epoch, batch, OF_SIZES)).integers(len(sizes)))]


def at_size(fit: View | None, size: Size) -> PlacedView:
    """A view like `fit` with another size: framed as by a Letterbox, stretched otherwise."""
    return Letterbox(size, fit.fill) if isinstance(fit, Letterbox) else Stretch(size)
