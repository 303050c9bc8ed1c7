"""Images resized to a fixed size, with their resulting position: the network's input in training and scoring."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, cast

import numpy as np

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels, nearest
from tasks.data.files.files import View
from tasks.data.files.images import read_rgb
from tasks.data.files.samples import Arrays
from tasks.data.transforms.resize import antialiased

LONGEST = 16_384  # pixels a side: more is a typo, and a batch would not fit into any memory


class Place(NamedTuple):
    """Position of an image in the network's input, in pixels of the input."""

    x: int
    y: int
    width: int
    height: int


class PlacedView(Protocol):
    """A view that reports where it puts an image of a given height and width, so that boxes and masks can follow."""

    def place(self, height: int, width: int) -> Place: ...
    def __call__(self, source: Path | Pixels) -> Pixels: ...


class Stretch:
    """The whole image at a fixed size, ignoring the aspect ratio: no pixel of the network's input is wasted.

    Args:
        size: height and width of the result.

    Raises:
        UserError: for anything else.
    """

    def __init__(self, size: Sequence[int]) -> None:
        if (
            not isinstance(size, Sequence)
            or len(size) != 2
            or not all(type(side) is int and 1 <= side <= LONGEST for side in size)
        ):
            raise UserError(f"data.fit.size={size} must be [height, width], each between 1 and {LONGEST:,}")
        self.height, self.width = size

    def place(self, _height: int, _width: int) -> Place:
        """Position of an image of this size: the whole input."""
        return Place(0, 0, self.width, self.height)

    def rule(self) -> dict[str, Any]:
        """What another program needs to know to do the same."""
        return {"rule": "stretch", "height": self.height, "width": self.width}

    def __call__(self, source: Path | Pixels) -> Pixels:
        """An image file, or an image (H, W, 3) RGB, to (height, width, 3) RGB.

        Raises:
            UserError: for a file that cannot be decoded.
        """
        image = source if isinstance(source, np.ndarray) else read_rgb(source)
        return antialiased(image, self.height, self.width)


class Letterbox(Stretch):
    """The whole image as large as it fits, keeping the aspect ratio, centred on a grey canvas.

    Args:
        size: height and width of the result.
        fill: the canvas's value; 114 is near the mean of photos, so that the edge is not a strong feature.

    Raises:
        UserError: for values out of range.
    """

    def __init__(self, size: Sequence[int], fill: int = 114) -> None:
        super().__init__(size)
        if not isinstance(fill, int) or not 0 <= fill <= 255:
            raise UserError(f"data.fit.fill={fill} must be between 0 and 255")
        self.fill = fill

    def place(self, height: int, width: int) -> Place:
        """Position of an image of this size in the canvas."""
        scale = min(self.height / height, self.width / width)
        down, across = max(1, round(height * scale)), max(1, round(width * scale))
        return Place((self.width - across) // 2, (self.height - down) // 2, across, down)

    def rule(self) -> dict[str, Any]:
        """What another program needs to know to do the same."""
        return {"rule": "letterbox", "height": self.height, "width": self.width, "fill": self.fill}

    def __call__(self, source: Path | Pixels) -> Pixels:
        """An image file, or an image (H, W, 3) RGB, to (height, width, 3) RGB.

        Raises:
            UserError: for a file that cannot be decoded.
        """
        image = source if isinstance(source, np.ndarray) else read_rgb(source)
        x, y, width, height = self.place(*image.shape[:2])
        canvas = np.full((self.height, self.width, 3), self.fill, np.uint8)
        canvas[y : y + height, x : x + width] = antialiased(image, height, width)
        return canvas


def placed(fit: View) -> PlacedView:
    """The view, if it reports where it puts an image.

    Raises:
        UserError: if it does not.
    """
    if not hasattr(fit, "place"):
        raise UserError(
            f"data.fit={type(fit).__name__} moves no boxes and no masks: use "
            "tasks.data.transforms.letterbox.Stretch (or, for boxes alone, Letterbox)"
        )
    return cast(PlacedView, fit)


def stretching(fit: View) -> PlacedView:
    """The view, if the image fills the network's input, so that a label map of any size aligns with it.

    Raises:
        UserError: if it does not.
    """
    if type(fit) is not Stretch:
        raise UserError(
            f"data.fit={type(fit).__name__} cuts or frames the image, but masks are scored as their files have them: "
            "use tasks.data.transforms.letterbox.Stretch"
        )
    return fit


def move(sample: Arrays, fit: PlacedView) -> Arrays:
    """Fit a sample's `image` (H, W, 3) and move its `bboxes` (K, 5), xyxy and class number, and `mask` (H, W) with it.

    The mask is void where there is no image.
    """
    height, width = sample["image"].shape[:2]
    place = fit.place(height, width)
    moved = sample | {"image": fit(sample["image"])}
    if "bboxes" in sample:
        boxes = sample["bboxes"].copy()
        boxes[:, :4] *= np.array([place.width / width, place.height / height] * 2, np.float32)
        boxes[:, :4] += np.array([place.x, place.y] * 2, np.float32)
        moved["bboxes"] = boxes
    if "mask" in sample:
        mask = np.full(moved["image"].shape[:2], VOID, np.uint8)
        old_height, old_width = sample["mask"].shape
        inside = sample["mask"][nearest(old_height, place.height)][:, nearest(old_width, place.width)]
        mask[place.y : place.y + place.height, place.x : place.x + place.width] = inside
        moved["mask"] = mask
    return moved
