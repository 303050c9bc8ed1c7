"""Objects made of LabelMe's shapes: those of one label and group belong together."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.labelme_json import LabelledShapes
from tasks.data.files.rasters import PolygonMasks
from tasks.data.files.shapes import Shapes, ends


class Objects(NamedTuple):
    """Objects with an area.

    Attributes:
        owners: (A,) index of each object's file.
        kinds: (A,) index of its label.
        boxed: (A,) bool, whether a part of it is only known by its box.
        shapes: their outlines.
    """

    owners: NDArray[np.int64]
    kinds: NDArray[np.int64]
    boxed: NDArray[np.bool_]
    shapes: Shapes


def join_shapes(content: LabelledShapes) -> Objects:
    """The objects of files, in the order of their first shapes; shapes without area are left out."""
    kept = np.flatnonzero(content.lengths)
    keys = np.stack((content.owners, content.kinds, content.groups, np.zeros_like(content.groups)), 1)[kept]
    keys[:, 3] = np.where(keys[:, 2] == -1, kept, -1)  # without a group each is an object of its own
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[inverse.ravel()]  # (K,) object of each kept shape
    order = np.argsort(place, kind="stable")
    starts = ends(content.lengths)[:-1]
    parts = [content.values[starts[shape] : starts[shape] + content.lengths[shape]] for shape in kept[order].tolist()]
    count = len(first)
    rings = np.bincount(place, minlength=count)
    shapes = Shapes(
        np.concatenate([*parts, np.zeros(0)]),
        ends(content.lengths[kept[order]]),
        ends(rings),
        np.zeros(0, np.uint8),
        np.zeros(count + 1, np.int64),
        np.zeros((count, 2), np.int64),
    )
    heads = kept[np.sort(first)]
    boxed = np.zeros(count, np.bool_)
    np.logical_or.at(boxed, place, content.boxed[kept])
    return Objects(content.owners[heads], content.kinds[heads], boxed, shapes)


def pack_boxes(objects: Objects, labels: NDArray[np.int64], sizes: NDArray[np.int64]) -> PackedBoxes:
    """The boxes around the objects of classes.

    Args:
        labels: (A,) class numbers of the objects; -1 of the background, 255 for void.
        sizes: (N, 2) heights and widths of the images.
    """
    kept = (labels >= 0) & (labels != VOID)
    boxes = objects.shapes.boxes()[kept]
    return PackedBoxes(
        np.arange(1, len(sizes) + 1),
        sizes,
        objects.owners[kept],
        boxes,
        labels[kept],
        boxes[:, 2] * boxes[:, 3],
        np.zeros(len(boxes), np.bool_),
        ids=objects.owners[kept],  # the boxes have no ids; messages name their file
    )


def draw_masks(
    objects: Objects,
    labels: NDArray[np.int64],
    sizes: NDArray[np.int64],
    names: Sequence[str],
    sources: Sequence[Path],
    *,
    has_background: bool,
) -> PolygonMasks:
    """The label maps of the objects.

    Args:
        labels, sizes: see pack_boxes.
        names: of the label maps' classes.
        sources: the JSON file of each image, for messages.
        has_background: whether class 0 is the background; else its pixels are void.

    Raises:
        UserError: for an object that is drawn pixel by pixel.
    """
    for place in np.flatnonzero(objects.boxed)[:1]:
        raise UserError(
            f"{sources[objects.owners[place]]} has a shape of type mask, of which only the box is read: draw it as a "
            "polygon (AI-Polygon in LabelMe), or export the masks and use dataset=masks"
        )
    background = 0 if has_background else VOID
    numbers = np.where(labels < 0, background, labels + has_background)
    numbers[labels == VOID] = VOID
    return PolygonMasks(names, sizes, objects.owners, numbers, objects.shapes, source=sources, background=background)
