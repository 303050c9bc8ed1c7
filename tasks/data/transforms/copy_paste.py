"""Objects of another training image pasted into this one (Ghiasi et al., CVPR 2021, arXiv:2012.07177), for boxes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from albumentations import DualTransform
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.samples import Arrays


class Patch(NamedTuple):
    """An object and its surroundings, ready to be pasted.

    Attributes:
        left, top: of the pixels in the image.
        pixels: (h, w, 3).
        alpha: (h, w, 1) float32, 1 in the object's box, falling to 0 at the edge of its surroundings.
        mask: (h, w) class numbers; None without label maps.
        box: (5,) float32 xyxy in the image's pixels, and class number.
    """

    left: int
    top: int
    pixels: Pixels
    alpha: NDArray[np.float32]
    mask: Pixels | None
    box: NDArray[np.float32]


class CopyPaste(DualTransform):
    """Objects of a random other image, cut out by their boxes, at random places of this one.

        other ─ objects ─> cut out with a border ─> scaled, flipped ─> blended in ─┬─> their boxes are added
                                                                                   └─> hidden ones are dropped

    Data sets have boxes, no outlines: an object is pasted with its box's background, and the border outside the box is
    blended, so that its edge is no feature. A box stays whole where it is partly hidden. A label map follows, if the
    samples have both. Placed first in data.augment, other transforms change pasted objects like the rest.

    Args:
        count: most objects pasted; one to this many, each equally often.
        scale: least and greatest size of an object, relative to its size in its own image.
        border: width of the blended border, as a fraction of the object's shorter side.
        flip: probability of mirroring an object.
        visible: share of a box that must stay visible; objects that are hidden more lose their box.
        classes: class numbers of the objects to paste; None for all.
        metadata_key: where the other sample is found among the data.
        p: how often it is done.

    Raises:
        UserError: for values out of range.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES)
    others = 1  # samples needed beside the image's own

    def __init__(
        self,
        count: int = 5,
        scale: tuple[float, float] = (0.5, 1.5),
        border: float = 0.1,
        flip: float = 0.5,
        visible: float = 0.5,
        classes: Sequence[int] | None = None,
        metadata_key: str = "copy_paste",
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        if type(count) is not int or count < 1:
            raise UserError(f"CopyPaste: count={count} must be a whole number from 1")
        check_scale("CopyPaste", scale)
        for name, value in (("border", border), ("flip", flip), ("visible", visible)):
            if not 0 <= value <= 1:
                raise UserError(f"CopyPaste: {name}={value} must be between 0 and 1")
        check_classes("CopyPaste", classes)
        self.count, self.scale, self.border, self.flip = count, tuple(scale), border, flip
        self.visible, self.classes, self.metadata_key = visible, classes, metadata_key

    @property
    def targets_as_params(self) -> list[str]:
        """What get_params_dependent_on_data needs beside the image."""
        return [self.metadata_key]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """`patches`, `kept` (K) bool: which of the image's boxes keep their label, `added` (P, 5).

        Raises:
            UserError: for samples without boxes.
        """
        if data.get("bboxes") is None:
            raise UserError("CopyPaste pastes objects by their boxes; label maps alone have ClassMix (class_mix.py)")
        height, width = params["shape"][:2]
        other = data[self.metadata_key][0]
        made = [self.patch(other, box, height, width) for box in self.chosen(other["bboxes"].reshape(-1, 5))]
        patches = [patch for patch in made if patch is not None]
        whole = data["bboxes"][:, :4] * (width, height, width, height)
        pasted = np.array([patch.box for patch in patches], np.float32).reshape(-1, 5)
        seen = visible_shares(np.concatenate((whole, pasted[:, :4])), len(whole), (height, width)) >= self.visible
        return {"patches": patches, "kept": seen[: len(whole)], "added": pasted[seen[len(whole) :]]}

    def chosen(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Some of the other image's boxes (K, 5) in random order."""
        allowed = boxes if self.classes is None else boxes[np.isin(boxes[:, 4], self.classes)]
        number = int(self.random_generator.integers(1, self.count + 1))
        order: NDArray[np.int64] = self.random_generator.permutation(len(allowed))[:number]
        return allowed[order]

    def patch(self, other: Arrays, box: NDArray[np.float32], height: int, width: int) -> Patch | None:
        """An object, ready to be pasted into an image of this size; None if it is too large for it, or too small."""
        image = other["image"]
        own_height, own_width = image.shape[:2]
        left, top, right, bottom = box[:4]
        margin = self.border * min(right - left, bottom - top)
        x0, y0 = int(max(0, left - margin)), int(max(0, top - margin))
        x1, y1 = int(np.ceil(min(own_width, right + margin))), int(np.ceil(min(own_height, bottom + margin)))
        if x1 <= x0 or y1 <= y0:
            return None
        scale = self.random_generator.uniform(*self.scale) * min(height, width) / min(own_height, own_width)
        mirrored = self.random_generator.random() < self.flip
        place = self.random_generator.random(2)
        size = (max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale)))  # width, height
        across, down = size[0] / (x1 - x0), size[1] / (y1 - y0)
        inner = np.array([(left - x0) * across, (top - y0) * down, (right - x0) * across, (bottom - y0) * down])
        object_size = inner[2:] - inner[:2]
        if (object_size > (width, height)).any() or (object_size < 2).any():
            return None
        cut, mask = image[y0:y1, x0:x1], other["mask"][y0:y1, x0:x1] if "mask" in other else None
        by_area = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        pixels = np.asarray(cv2.resize(cut, size, interpolation=by_area), np.uint8)
        if mask is not None:
            mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
        if mirrored:
            pixels, mask = pixels[:, ::-1], None if mask is None else mask[:, ::-1]
            inner[[0, 2]] = size[0] - inner[[2, 0]]
        alpha = ramp(size[1], inner[1], inner[3])[:, None] * ramp(size[0], inner[0], inner[2])
        # Whole pixels: the object's box lies within the image, its border may stick out.
        corner = np.clip(
            np.round(place * ((width, height) - object_size) - inner[:2]),
            np.ceil(-inner[:2]),
            np.floor((width, height) - inner[2:]),
        ).astype(np.int64)
        label = np.append(inner + np.tile(corner, 2), box[4]).astype(np.float32)
        return within(Patch(int(corner[0]), int(corner[1]), pixels, alpha[..., None], mask, label), height, width)

    def apply(self, img: Pixels, patches: Sequence[Patch], **_: Any) -> Pixels:
        """The image with the patches blended in, one after the other."""
        result = img.copy()
        for patch in patches:
            rows, columns = place_of(patch)
            part = result[rows, columns]
            result[rows, columns] = np.round(part + patch.alpha * (patch.pixels.astype(np.float32) - part))
        return result

    def apply_to_mask(self, mask: Pixels, patches: Sequence[Patch], **_: Any) -> Pixels:
        """The label map with those of the patches where at least half of a pixel is theirs."""
        result = mask.copy()
        for patch in patches:
            if patch.mask is not None:
                part = result[place_of(patch)]
                result[place_of(patch)] = np.where(patch.alpha[..., 0] >= 0.5, patch.mask, part)
        return result

    def apply_to_bboxes(
        self, bboxes: NDArray[np.float32], kept: NDArray[np.bool_], added: NDArray[np.float32], **params: Any
    ) -> NDArray[np.float32]:
        """The boxes that stay visible, and those of the pasted objects; (K, 5), fractions of the image."""
        height, width = params["shape"][:2]
        scaled = added / np.array([width, height, width, height, 1], np.float32)
        return np.concatenate((bboxes[kept].reshape(-1, 5), scaled))


def place_of(patch: Patch) -> tuple[slice, slice]:
    """Rows and columns of a patch in the image."""
    height, width = patch.pixels.shape[:2]
    return slice(patch.top, patch.top + height), slice(patch.left, patch.left + width)


def within(patch: Patch, height: int, width: int) -> Patch:
    """A patch without what sticks out of the image."""
    rows, columns = place_of(patch)
    down, across = slice(max(0, -rows.start), height - rows.start), slice(max(0, -columns.start), width - columns.start)
    return patch._replace(
        left=max(0, patch.left),
        top=max(0, patch.top),
        pixels=patch.pixels[down, across],
        alpha=patch.alpha[down, across],
        mask=None if patch.mask is None else patch.mask[down, across],
    )


def ramp(length: int, start: float, end: float) -> NDArray[np.float32]:
    """(length,) 1 from start to end, falling linearly to 0 at both ends of the pixels."""
    centres = np.arange(length, dtype=np.float32) + 0.5
    rising, falling = centres / max(start, 1e-6), (length - centres) / max(length - end, 1e-6)
    result: NDArray[np.float32] = np.minimum(1, np.minimum(rising, falling)).astype(np.float32)
    return result


def visible_shares(boxes: NDArray[np.floating], own: int, size: tuple[int, int]) -> NDArray[np.float64]:
    """(K,) share of each box's pixels that no box pasted later covers.

    Args:
        boxes: (K, 4) xyxy: those of the image, then the pasted ones in their order.
        own: number of the image's.
        size: (height, width) of the image.
    """
    corners = np.concatenate((np.floor(boxes[:, :2]), np.ceil(boxes[:, 2:])), 1).astype(np.int64).clip(0)
    covered = np.zeros(size, bool)
    shares = np.ones(len(boxes))
    for number in reversed(range(len(boxes))):
        left, top, right, bottom = corners[number]
        part = covered[top:bottom, left:right]
        shares[number] = 1 - part.mean() if part.size else 1.0
        if number >= own:
            covered[top:bottom, left:right] = True
    return shares


def check_scale(name: str, scale: Sequence[float]) -> None:
    """Raises a UserError for anything but two factors above 0, the lower one first."""
    if len(scale) != 2 or not 0 < scale[0] <= scale[1]:
        raise UserError(f"{name}: scale={list(scale)} must be two factors above 0, the lower one first")


def check_classes(name: str, classes: Sequence[int] | None) -> None:
    """Raises a UserError for anything but class numbers or None."""
    if classes is not None and (not classes or not all(type(c) is int and 0 <= c < 255 for c in classes)):
        raise UserError(f"{name}: classes={classes} must be class numbers from 0 to 254, or null")
