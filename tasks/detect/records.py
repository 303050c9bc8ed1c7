"""A detector's images as data for the run's page: boxes in the photo's pixels, and what each was matched to."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from tasks.common.annotations import Annotations
from tasks.common.photos import photo
from tasks.common.records import Picture
from tasks.detect.draw import colour_of
from tasks.detect.quality import assigned

DIGITS = 6  # of scores: fewer would put boxes on the wrong side of a threshold
LOWEST, MOST = 0.02, 300  # score of the boxes that a page has, and how many of an image


class Boxed(NamedTuple):
    """An image's boxes in the pixels of its file.

    Attributes:
        place: x, y, width, height of the photo in the network's input; None if it fills it.
        size: (height, width) of the file.
        truth: (K) rows of xyxy, class number and whether it is a crowd.
        found: (D) rows of xyxy, class number, score and number of the truth that it found, -1 for none; by falling
            score, so that those from any score on are matched to the same truths without the others.
    """

    place: tuple[float, float, float, float] | None
    size: tuple[int, int]
    truth: list[list[float]]
    found: list[list[float]]


def boxed(annotations: Annotations, found: tuple[Tensor, Tensor, Tensor], place: Any) -> Boxed:
    """Match an image's detections, which are in the file's pixels, to its truth.

    Args:
        place: heads.boxes.Places of this image, or None.
    """
    truth = annotations.boxes.copy()
    truth[:, 2:] += truth[:, :2]
    usable = np.isfinite(truth).all(1) & (truth[:, 2:] > truth[:, :2]).all(1)  # the file's boxes are unchecked
    truth, labels, crowd = truth[usable], annotations.labels[usable], annotations.crowd[usable]
    boxes, scores, classes = (value.cpu().numpy() for value in found)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= LOWEST][:MOST]
    boxes, scores, classes = boxes[order].astype(np.float64), scores[order].astype(np.float64), classes[order]
    matches = assigned(boxes, classes, scores, truth, labels, crowd)
    return Boxed(
        None if place is None else tuple(place.boxes[0].tolist()),
        (annotations.height, annotations.width),
        [[*corners(box), int(label), int(is_crowd)] for box, label, is_crowd in zip(truth, labels, crowd, strict=True)],
        [
            [*corners(box), int(label), round(float(score), DIGITS), int(match)]
            for box, label, score, match in zip(boxes, classes, scores, matches, strict=True)
        ],
    )


def corners(box: NDArray[np.floating]) -> list[float]:
    """xyxy to a tenth of a pixel."""
    return [round(float(value), 1) for value in box]


def picture(data: Boxed, jpeg: bytes, name: str, kind: str) -> Picture:
    """The image for the page, from the network's input as JPEG."""
    seen = torch.from_numpy(np.array(Image.open(io.BytesIO(jpeg)))).permute(2, 0, 1)
    height, width = data.size
    entry = {"name": name, "kind": kind, "width": width, "height": height, "truth": data.truth, "found": data.found}
    return Picture(entry, {"image": ("jpg", photo(seen, data.place, data.size))})


def labelled(image: Tensor, boxes: NDArray[np.floating], name: str) -> Picture:
    """A training image (3, H, W) with its boxes (T, 5), xyxy and class number, -1 for none, for the page."""
    height, width = (int(side) for side in image.shape[-2:])
    truth = [[*corners(row[:4]), int(row[4]), 0] for row in boxes if row[4] >= 0]
    return Picture(
        {"name": name, "width": width, "height": height, "truth": truth},
        {"image": ("jpg", photo(image, None, (height, width)))},
    )


def classes(names: Sequence[str]) -> list[dict[str, Any]]:
    """Name and colour of each class."""
    return [{"name": name, "colour": list(colour_of(label))} for label, name in enumerate(names)]
