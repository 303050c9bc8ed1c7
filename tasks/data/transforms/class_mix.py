"""Regions of another training image pasted into this one (Olsson et al., WACV 2021, arXiv:2007.07936), for masks."""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from albumentations import DualTransform
from albumentations.core.type_definitions import Targets
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.files.samples import Arrays
from tasks.data.transforms.copy_paste import check_classes, check_scale


class ClassMix(DualTransform):
    """All pixels of some classes of a random other image, with their labels.

    Half of the other image's classes are drawn, rounded up. Its size is brought to the image's (so that it covers it),
    times a factor from `scale`; it then lies at a random place.

    Args:
        scale: least and greatest size of the other image.
        flip: probability of mirroring it.
        classes: class numbers that may be pasted; None for all.
        metadata_key: where the other sample is found among the data.
        p: how often it is done.

    Raises:
        UserError: for values out of range.
    """

    _targets = (Targets.IMAGE, Targets.MASK)
    others = 1  # samples needed beside the image's own

    def __init__(
        self,
        scale: tuple[float, float] = (1.0, 1.0),
        flip: float = 0.5,
        classes: Sequence[int] | None = None,
        metadata_key: str = "class_mix",
        p: float = 0.5,
    ) -> None:
        super().__init__(p=p)
        check_scale("ClassMix", scale)
        check_classes("ClassMix", classes)
        if not 0 <= flip <= 1:
            raise UserError(f"ClassMix: flip={flip} must be between 0 and 1")
        self.scale, self.flip, self.classes, self.metadata_key = tuple(scale), flip, classes, metadata_key

    @property
    def targets_as_params(self) -> list[str]:
        """What get_params_dependent_on_data needs beside the image."""
        return [self.metadata_key]

    def get_params_dependent_on_data(self, params: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
        """`place`: rows and columns of the image; `image`, `mask`: the other's there; `region`: where they are pasted.

        Raises:
            UserError: for samples without a label map, or with boxes, which would not follow.
        """
        if data.get("mask") is None or data.get("bboxes") is not None:
            raise UserError("ClassMix is for label maps alone; images with boxes have CopyPaste (copy_paste.py)")
        place, image, mask = self.placed(data[self.metadata_key][0], params["shape"][:2])
        wanted = np.zeros(VOID + 1, bool)
        wanted[self.chosen(mask)] = True
        return {"place": place, "other": image, "other_mask": mask, "region": wanted[mask]}

    def chosen(self, mask: Pixels) -> NDArray[np.int64]:
        """Half of a label map's classes, rounded up."""
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=VOID + 1)[:VOID])
        allowed = present if self.classes is None else present[np.isin(present, self.classes)]
        order: NDArray[np.int64] = self.random_generator.permutation(allowed)
        return order[: (len(allowed) + 1) // 2]

    def placed(self, other: Arrays, size: Sequence[int]) -> tuple[tuple[slice, slice], Pixels, Pixels]:
        """A place in an image of this size, and the part of the other image and its label map that lies there."""
        image, mask = other["image"], other["mask"]
        cover = max(new / old for new, old in zip(size, image.shape, strict=False))
        factor = cover * self.random_generator.uniform(*self.scale)
        height, width = (max(1, round(side * factor)) for side in image.shape[:2])
        if (height, width) != image.shape[:2]:
            by_area = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, (width, height), interpolation=by_area)
            mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        if self.random_generator.random() < self.flip:
            image, mask = image[:, ::-1], mask[:, ::-1]
        places, parts = [], []
        for whole, side in zip(size, (height, width), strict=True):
            gap = abs(whole - side)
            start = int(self.random_generator.integers(gap + 1))
            places.append(slice(start, start + side) if side < whole else slice(0, whole))
            parts.append(slice(0, side) if side < whole else slice(start, start + whole))
        return (places[0], places[1]), image[parts[0], parts[1]], mask[parts[0], parts[1]]

    def apply(
        self, img: Pixels, place: tuple[slice, slice], other: Pixels, region: NDArray[np.bool_], **_: Any
    ) -> Pixels:
        """The image with the regions of the other one."""
        return pasted(img, place, other, region)

    def apply_to_mask(
        self, mask: Pixels, place: tuple[slice, slice], other_mask: Pixels, region: NDArray[np.bool_], **_: Any
    ) -> Pixels:
        """The label map with the regions of the other one."""
        return pasted(mask, place, other_mask, region)


def pasted(array: Pixels, place: tuple[slice, slice], other: Pixels, region: NDArray[np.bool_]) -> Pixels:
    """A copy of an array (H, W, …) with the region (h, w) of another at a place of that size."""
    result = array.copy()
    np.copyto(result[place], other, where=region.reshape(region.shape + (1,) * (array.ndim - 2)))
    return result
