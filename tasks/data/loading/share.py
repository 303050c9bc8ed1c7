"""Part of the training images, as for a learning curve: stratified by class, and nested for growing shares."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.samples import Arrays, key_of
from tasks.data.loading.holdout import of_each
from tasks.data.loading.mixture import MixedSamples
from tasks.data.loading.subset import Subset

ORDER = ("label", "multilabel", "boxes", "mask")  # of the kinds of labels that stratify, cheapest first


class Share(Subset):
    """Part of a data set's samples, repeated so that an epoch has as many as before.

    Args:
        samples: the whole data set.
        numbers: indices of the part.
        pixels: (N, 256) pixels of each class in every image of the data set; None without masks.
    """

    def __init__(self, samples: Any, numbers: Sequence[int], pixels: NDArray[np.int64] | None = None) -> None:
        super().__init__(samples, np.resize(np.asarray(numbers), len(samples)).tolist())
        self.distinct = len(numbers)
        self.counted = None if pixels is None else pixels[list(numbers)].sum(0)

    @property
    def boxes_once(self) -> PackedBoxes | None:
        """The boxes of the part's images, each image once; None if the samples have none."""
        boxes = getattr(self.samples, "boxes", None)
        return boxes.of(self.numbers[: self.distinct]) if isinstance(boxes, PackedBoxes) else None

    def class_pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,) pixels of each class in the part: what is left out must not weigh the loss."""
        return super().class_pixels(classes) if self.counted is None else self.counted[:classes]


def take_share(samples: Any, share: float, seed: int, targets: Sequence[str]) -> tuple[Any, int]:
    """Keep a share of the images; of a mixture, of each data set by itself.

    An epoch keeps its number of steps, in which the images return more often: trainings on different shares take the
    same steps, the same time and the same schedule, and differ in nothing but what they could learn from. The images
    of a smaller share are among those of a larger one with the same seed; another seed draws others.

    Args:
        share: above 0 and below 1.
        targets: kinds of labels that are read; the first of ORDER stratifies.

    Returns:
        The samples, and how many distinct ones they are.

    Raises:
        UserError: if a data set would have no image left.
    """

    def kept(part: Any) -> Share:
        count = round(share * len(part))
        if count < 1:
            raise UserError(f"data.share={share:g} leaves none of {len(part)} training images: take a larger share")
        classes, pixels = classes_of(part, targets)
        names = [part.name(index) for index in range(len(part))]
        return Share(part, sorted(stratified(names, classes, seed)[:count]), pixels)

    found = of_each(samples, kept)
    parts = [part.samples for part in found.parts] if isinstance(found, MixedSamples) else [found]
    return found, sum(part.distinct for part in parts)


def stratified(names: Sequence[str], classes: Sequence[Sequence[int]], seed: int) -> list[int]:
    """All images in an order whose every beginning has the classes in about the proportions of the whole.

    Each image counts for its rarest class. The k-th of a class's n images stands at (k + 1/2) / n of the order; which
    one is the k-th follows from the SHA-256 of seed and name, and not from the files' order.
    """
    images: dict[int, int] = {}
    for own in classes:
        for number in own:
            images[number] = images.get(number, 0) + 1
    groups: dict[int, list[int]] = {}
    drawn = [hashlib.sha256(f"{seed}:{name}".encode()).digest() for name in names]
    for index in sorted(range(len(names)), key=drawn.__getitem__):
        rarest = min(classes[index], key=lambda number: (images[number], number), default=-1)
        groups.setdefault(rarest, []).append(index)
    place = {index: (k + 0.5) / len(group) for group in groups.values() for k, index in enumerate(group)}
    return sorted(place, key=lambda index: (place[index], drawn[index]))


def classes_of(samples: Any, targets: Sequence[str]) -> tuple[list[list[int]], NDArray[np.int64] | None]:
    """The classes in each image, and with masks the (N, 256) pixels of each; no classes if there is no known label."""
    count, first = len(samples), first_readable(samples)
    kind = next((kind for kind in ORDER if kind in targets and key_of(kind) in first), None)
    pixels = None
    if "mask" in targets and "mask" in first:
        pixels = np.stack([pixels_of(samples, index) for index in range(count)])
    if kind == "label":
        return [[label] for label in samples.class_labels().tolist()], pixels
    if kind == "multilabel":
        return [np.flatnonzero(row).tolist() for row in samples.label_matrix()], pixels
    if kind == "boxes":
        boxes = getattr(samples, "boxes", None)
        if isinstance(boxes, PackedBoxes):
            return [np.unique(boxes.annotations(index).labels).tolist() for index in range(count)], pixels
    if pixels is not None:
        return [np.flatnonzero(row[:VOID]).tolist() for row in pixels], pixels
    return [[] for _ in range(count)], pixels


def first_readable(samples: Any) -> Arrays:
    """The first sample that can be read, as data.max_broken may allow others; {} if none can."""
    for index in range(len(samples)):
        try:
            arrays: Arrays = samples.read(index)
        except UserError:
            continue
        return arrays
    return {}


def pixels_of(samples: Any, index: int) -> NDArray[np.int64]:
    """(256,) pixels of each class in an image; none if it cannot be read."""
    try:
        return np.bincount(samples.read(index)["mask"].ravel(), minlength=256)
    except UserError:
        return np.zeros(256, np.int64)
