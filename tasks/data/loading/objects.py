"""Where the network sees the objects: training boxes in the pixels of its input."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import View
from tasks.data.loading.share import Share
from tasks.data.transforms.letterbox import placed


def boxes_once(samples: Any) -> PackedBoxes | None:
    """The boxes of a split, those of images that data.share repeats only once; None if it does not list its boxes."""
    boxes = samples.boxes_once if isinstance(samples, Share) else getattr(samples, "boxes", None)
    return boxes if isinstance(boxes, PackedBoxes) else None


def boxes_at_input(boxes: PackedBoxes, fit: View | None) -> NDArray[np.float64]:
    """(K, 4) xyxy of every training box, in pixels of the images that `fit` makes; None leaves them as they are.

    Raises:
        UserError: for a fit that boxes cannot follow.
    """
    owners = np.repeat(np.arange(len(boxes.sizes)), np.diff(boxes.taught_ends))
    sizes, kind = np.unique(boxes.sizes, axis=0, return_inverse=True)
    places = [(0, 0, w, h) if fit is None else placed(fit).place(h, w) for h, w in sizes.tolist()]
    where = np.array(places, np.float64).reshape(-1, 4)
    scale, shift = where[:, 2:] / sizes[:, ::-1], where[:, :2]
    rows = kind.ravel()[owners]
    result: NDArray[np.float64] = boxes.taught[:, :4].astype(np.float64) * np.tile(scale[rows], 2) + np.tile(
        shift[rows], 2
    )
    return result
