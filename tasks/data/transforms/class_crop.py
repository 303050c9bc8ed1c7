"""Crops around rare classes (class uniform sampling: Zhu et al., CVPR 2019, arXiv:1812.01593, section 3.4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import albumentations
import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID

PATIENT = 1 << 18  # pixels: in larger label maps, classes are looked for on a coarser grid of about that many


class ClassUniformCrop(albumentations.RandomResizedCrop):
    """A random resized crop that shows every class of the image equally often.

    Area and shape are drawn as by albumentations.RandomResizedCrop. In `share` of the crops a class is then drawn, all
    classes of the image equally often, and one of its pixels (without a label map: a point in one of its boxes). The
    crop is one of those that contain it, each equally likely, so that the class is not always in the middle.

    Args:
        size: height and width of the result.
        scale: least and greatest area of the crop, as fractions of the image's.
        ratio: least and greatest width / height of the crop, in pixels.
        share: how often a class is drawn; 0 is RandomResizedCrop, crop by crop.
        classes: class numbers to draw from; None for all. An image without any of them is cropped anywhere.
        interpolation, mask_interpolation: of OpenCV, for the image and the label map.
        p: how often it is done.

    Raises:
        UserError: for a share or classes out of range.
    """

    def __init__(
        self,
        size: tuple[int, int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (3 / 4, 4 / 3),
        share: float = 0.5,
        classes: Sequence[int] | None = None,
        interpolation: int = cv2.INTER_LINEAR,
        mask_interpolation: int = cv2.INTER_NEAREST,
        p: float = 1.0,
    ) -> None:
        super().__init__(
            size=tuple(size),
            scale=tuple(scale),
            ratio=tuple(ratio),
            interpolation=interpolation,
            mask_interpolation=mask_interpolation,
            p=p,
        )
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise UserError(f"ClassUniformCrop: share={share} must be between 0 and 1")
        if classes is not None and (not classes or not all(type(c) is int and 0 <= c < VOID for c in classes)):
            raise UserError(f"ClassUniformCrop: classes={classes} must be class numbers from 0 to 254, or null")
        self.share, self.classes = share, classes

    def get_params_dependent_on_data(self, params: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """`crop_coords`: left, top, right, bottom in pixels."""
        drawn: dict[str, Any] = super().get_params_dependent_on_data(params, data)
        if self.share == 0 or self.random_generator.random() >= self.share:
            return drawn
        height, width = params["shape"][:2]
        point = self.point(data, height, width)
        if point is None:
            return drawn
        left, top, right, bottom = drawn["crop_coords"]
        x = self.start(point[0], right - left, width)
        y = self.start(point[1], bottom - top, height)
        return {"crop_coords": (x, y, x + right - left, y + bottom - top)}

    def point(self, data: Mapping[str, Any], height: int, width: int) -> tuple[int, int] | None:
        """x and y of a pixel of a drawn class; None if the image has no class to draw."""
        if data.get("mask") is not None:
            return self.in_mask(data["mask"])
        boxes = data.get("bboxes")
        if boxes is None or not len(boxes):
            return None
        return self.in_boxes(boxes[:, :4] * (width, height, width, height), boxes[:, 4].astype(np.int64))

    def in_mask(self, mask: NDArray[np.uint8]) -> tuple[int, int] | None:
        """A pixel of a drawn class of a label map (H, W)."""
        step = max(1, round((mask.size / PATIENT) ** 0.5))
        first = int(self.random_generator.integers(step))  # so that thin things between grid lines are found, too
        grid = np.ascontiguousarray(mask[first::step, first::step])
        chosen = self.drawn(np.flatnonzero(cv2.calcHist([grid], [0], None, [VOID], [0, VOID])))
        if chosen is None:
            return None
        places = np.flatnonzero(grid.ravel() == chosen)
        row, column = divmod(int(self.random_generator.choice(places)), grid.shape[1])
        return first + column * step, first + row * step

    def in_boxes(self, boxes: NDArray[np.floating], labels: NDArray[np.int64]) -> tuple[int, int] | None:
        """A point in a box of a drawn class; boxes (K, 4) xyxy in pixels, labels (K,)."""
        chosen = self.drawn(np.unique(labels))
        if chosen is None:
            return None
        left, top, right, bottom = boxes[int(self.random_generator.choice(np.flatnonzero(labels == chosen)))]
        x, y = self.random_generator.uniform((left, top), (right, bottom))
        return int(x), int(y)

    def drawn(self, present: NDArray[np.int64]) -> int | None:
        """One of the classes that are present and may be drawn; None if there is none."""
        allowed = present if self.classes is None else present[np.isin(present, self.classes)]
        return int(self.random_generator.choice(allowed)) if len(allowed) else None

    def start(self, place: int, length: int, whole: int) -> int:
        """Where a stretch of this length begins that contains `place` and lies within 0 … whole."""
        first, last = max(0, place - length + 1), min(place, whole - length)
        return int(self.random_generator.integers(first, last + 1))
