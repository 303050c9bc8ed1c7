"""SSD's two transforms that change object sizes (Liu et al., ECCV 2016, sections 2.2 and 3.6), for albumentations.

Boxes are in albumentations' format here: (K, 5) xyxy as fractions of the image, and the class number.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from albumentations import DualTransform
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import Pixels

TRIES = 40  # patches per requirement before another requirement is drawn


class RandomIoUCrop(DualTransform):
    """A patch that overlaps much or little with an object, or the whole image.

    One of seven requirements is drawn: the whole image; a patch whose intersection over union with one of its objects
    is at least 0.1, 0.3, 0.5, 0.7 or 0.9; any patch. A patch keeps the objects whose centre lies in it, at least one,
    with their boxes clipped to it. In an image without objects any patch will do.

    Args:
        scale: least and greatest side of the patch, as fractions of the image's.
        ratio: least and greatest width / height, both as such fractions.
        overlaps: the requirements other than the whole image; 0 is any patch.
        p: how often it is done.

    Raises:
        UserError: for values out of range.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES)

    def __init__(
        self,
        scale: tuple[float, float] = (0.3, 1.0),
        ratio: tuple[float, float] = (0.5, 2.0),
        overlaps: Sequence[float] = (0.1, 0.3, 0.5, 0.7, 0.9, 0.0),
        p: float = 1.0,
    ) -> None:
        super().__init__(p=p)
        if not 0 < scale[0] <= scale[1] <= 1:
            raise UserError(f"RandomIoUCrop: scale={list(scale)} must be two fractions, the lower one first")
        if not 0 < ratio[0] <= 1 <= ratio[1]:
            raise UserError(f"RandomIoUCrop: ratio={list(ratio)} must be two ratios around 1, the lower one first")
        if not all(0 <= overlap < 1 for overlap in overlaps):
            raise UserError(f"RandomIoUCrop: overlaps={list(overlaps)} must lie between 0 and 1")
        self.scale, self.ratio, self.overlaps = tuple(scale), tuple(ratio), tuple(overlaps)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """`patch`: left, top, right, bottom in pixels; `kept` (K): the boxes whose centre lies in it."""
        height, width = params["shape"][:2]
        boxes = data["bboxes"][:, :4] * (width, height, width, height)
        middles = (boxes[:, :2] + boxes[:, 2:]) / 2
        whole = np.array([0, 0, width, height])
        while True:  # one requirement in seven is met at once
            demand = self.random_generator.integers(len(self.overlaps) + 1)
            if demand == len(self.overlaps):
                return {"patch": whole, "kept": np.ones(len(boxes), bool)}
            patches = self.draw(height, width)
            inside = ((middles > patches[:, None, :2]) & (middles < patches[:, None, 2:])).all(2)  # (patches, K)
            met = (inside & (overlap(patches, boxes) >= self.overlaps[demand])).any(1) | (len(boxes) == 0)
            if met.any():
                first = int(met.argmax())
                return {"patch": patches[first], "kept": inside[first]}

    def draw(self, height: int, width: int) -> NDArray[np.int64]:
        """Up to TRIES patches of allowed shape: (P, 4) xyxy in pixels."""
        sides = self.random_generator.uniform(*self.scale, (TRIES, 2))
        ratios = sides[:, 0] / sides[:, 1]
        sides = sides[(self.ratio[0] <= ratios) & (ratios <= self.ratio[1])]
        size = np.maximum(1, (sides * (width, height)).astype(np.int64))
        corner = (self.random_generator.random(size.shape) * ((width, height) - size + 1)).astype(np.int64)
        return np.concatenate((corner, corner + size), 1)

    def apply(self, img: Pixels, patch: NDArray[np.int64], **_: Any) -> Pixels:
        """The patch of an image, or of a mask."""
        left, top, right, bottom = patch
        return img[top:bottom, left:right]

    def apply_to_bboxes(
        self, bboxes: NDArray[np.float32], patch: NDArray[np.int64], kept: NDArray[np.bool_], **params: Any
    ) -> NDArray[np.float32]:
        """The kept boxes, clipped to the patch."""
        height, width = params["shape"][:2]
        boxes = bboxes[kept]
        corner, size = np.tile(patch[:2], 2), np.tile(patch[2:] - patch[:2], 2)
        boxes[:, :4] = ((boxes[:, :4] * (width, height, width, height) - corner) / size).clip(0, 1)
        return boxes


class RandomZoomOut(DualTransform):
    """The image at a random place on a larger canvas, so that its objects become small.

    Args:
        scale: least and greatest side of the canvas, relative to the image's.
        fill: the canvas's value.
        fill_mask: the canvas's class number in masks.
        p: how often it is done.

    Raises:
        UserError: for values out of range.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES)

    def __init__(
        self, scale: tuple[float, float] = (1.0, 4.0), fill: int = 114, fill_mask: int = 255, p: float = 0.5
    ) -> None:
        super().__init__(p=p)
        if not 1 <= scale[0] <= scale[1]:
            raise UserError(f"RandomZoomOut: scale={list(scale)} must be two factors from 1 on, the lower one first")
        for name, value in (("fill", fill), ("fill_mask", fill_mask)):
            if not isinstance(value, int) or not 0 <= value <= 255:
                raise UserError(f"RandomZoomOut: {name}={value} must be between 0 and 255")
        self.scale, self.fill, self.fill_mask = tuple(scale), fill, fill_mask

    def get_params_dependent_on_data(self, params: dict[str, Any], data: Any) -> dict[str, Any]:  # noqa: ARG002
        """`canvas`: its width and height; `corner`: left and top of the image in it."""
        size = np.array(params["shape"][1::-1])
        canvas = (size * self.random_generator.uniform(*self.scale)).astype(np.int64)
        return {"canvas": canvas, "corner": (self.random_generator.random(2) * (canvas - size + 1)).astype(np.int64)}

    def apply(self, img: Pixels, **params: Any) -> Pixels:
        """The image on its canvas."""
        return self.put(img, self.fill, params["canvas"], params["corner"])

    def apply_to_mask(self, mask: Pixels, *_: Any, **params: Any) -> Pixels:
        """The mask on a canvas of `fill_mask`."""
        return self.put(mask, self.fill_mask, params["canvas"], params["corner"])

    def put(self, img: Pixels, fill: int, canvas: NDArray[np.int64], corner: NDArray[np.int64]) -> Pixels:
        """Put an array (H, W, …) on a canvas of one value."""
        left, top = corner
        large = np.full((canvas[1], canvas[0], *img.shape[2:]), fill, img.dtype)
        large[top : top + img.shape[0], left : left + img.shape[1]] = img
        return large

    def apply_to_bboxes(self, bboxes: NDArray[np.float32], **params: Any) -> NDArray[np.float32]:
        """The boxes, relative to the canvas."""
        size, canvas, corner = (
            np.tile(pair, 2) for pair in (params["shape"][1::-1], params["canvas"], params["corner"])
        )
        boxes = bboxes.copy()
        boxes[:, :4] = (boxes[:, :4] * size + corner) / canvas
        return boxes


def overlap(patches: NDArray[np.int64], boxes: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union (P, K) of patches (P, 4) and boxes (K, 4)."""
    low, high = np.maximum(patches[:, None, :2], boxes[:, :2]), np.minimum(patches[:, None, 2:], boxes[:, 2:])
    common = (high - low).clip(min=0).prod(2)
    areas = [(some[:, 2:] - some[:, :2]).prod(1) for some in (patches, boxes)]
    result: NDArray[np.floating] = common / (areas[0][:, None] + areas[1] - common)
    return result
