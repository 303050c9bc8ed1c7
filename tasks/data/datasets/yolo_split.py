"""Boxes and label maps of the objects in YOLO's label files, in pixels."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.datasets.instance_classes import MaskClasses
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.listings import Stamp
from tasks.data.files.orientation import SIDEWAYS, Upright
from tasks.data.files.rasters import PolygonMasks
from tasks.data.files.shapes import Shapes
from tasks.data.files.sizes import sizes_of
from tasks.data.files.yolo_files import Labelled, dots
from tasks.data.files.yolo_labels import Objects

Sizes = NDArray[np.int64]


def labelled_sizes(
    images: Sequence[Stamp], upright: Upright, source: Path, sides: Callable[[], Mapping[str, Sequence[Stamp]]]
) -> Sizes:
    """Heights and widths (N, 2) of the pictures that the labels are on; 0 for files that cannot be read.

    Args:
        images: their stamps.
        upright: whether labels are on photos rotated by their EXIF orientation.
        source: the data set's description, for messages.
        sides: gives the images of all splits that are read, by split, for a message.

    Raises:
        UserError: for photos with an EXIF turn, if nobody said how they are meant.
    """
    sizes, turns = sizes_of(images)
    if upright == "auto" and (turns > 1).any():
        raise untold(sides(), source)
    if upright is True:
        sideways = np.flatnonzero(turns >= SIDEWAYS)
        sizes = sizes.copy()
        sizes[sideways] = sizes[sideways, ::-1]
    return sizes


def untold(splits: Mapping[str, Sequence[Stamp]], source: Path) -> UserError:
    """The error for photos with an EXIF turn if nobody said how they are meant, counted in all splits."""
    photos, counts = list[str](), list[str]()
    for split, images in splits.items():
        turned = np.flatnonzero(sizes_of(images)[1] > 1)
        if len(turned):
            photos += [images[number][0] for number in turned.tolist()]
            counts.append(f"{len(turned)} of {len(images)} photos{f' of {split}' if len(splits) > 1 else ''}")
    return UserError(
        f"{source}: {' and '.join(counts)} have an EXIF turn ({photos[0]}{dots(len(photos))}), and YOLO's files do not "
        "tell whether the labels are on the upright picture: set dataset.upright=true if so, as Ultralytics trains, or "
        "dataset.upright=false for as stored"
    )


def boxes_of(objects: Objects, sizes: Sizes) -> PackedBoxes:
    """The boxes; without those of images that cannot be read, which the check of the files reports."""
    kept = np.isin(objects.owners, np.flatnonzero(sizes.all(1)))
    owners = objects.owners[kept]
    heights, widths = sizes[owners].T
    return PackedBoxes(
        np.arange(1, len(sizes) + 1),
        np.maximum(sizes, 1),
        owners,
        objects.boxes[kept] * np.column_stack((widths, heights, widths, heights)),
        objects.labels[kept],
        objects.areas[kept] * heights * widths,
        np.zeros(len(owners), bool),
        ids=owners,  # rows have no ids; messages name their file
    )


def masks_of(labelled: Labelled, sizes: Sizes, classes: MaskClasses, what: str) -> PolygonMasks:
    """The label maps.

    Args:
        what: names the split, for messages.

    Raises:
        UserError: for rows that are boxes.
    """
    objects = labelled.objects
    plain = np.flatnonzero(objects.counts == 0)
    if len(plain):
        files = np.unique(objects.owners[plain])
        raise UserError(
            f"{what}: {len(plain)} of {len(objects.counts)} rows are boxes without a polygon "
            f"({labelled.labels[files[0]]}{dots(len(files))}), which do not say what pixels are the object: draw their "
            "polygons, leave these images out, or learn boxes alone (tasks.detect, heads=[detect])"
        )
    scales = np.repeat(sizes[objects.owners, ::-1], objects.counts, axis=0)
    return PolygonMasks(
        [name for name, *_ in classes.entries],
        np.maximum(sizes, 1),
        objects.owners,
        objects.labels + classes.first,
        Shapes.of_rings((objects.points * scales).ravel(), 2 * objects.counts),
        source=[Path(path) for path in labelled.labels],
        background=classes.background,
    )


def below_one_folder(paths: Sequence[str]) -> tuple[Path, list[str]]:
    """The folder that holds all files, and their paths relative to it."""
    folder = os.path.commonpath({path.rpartition("/")[0] for path in paths})
    return Path(folder), [path[len(folder.rstrip("/")) + 1 :] for path in paths]
