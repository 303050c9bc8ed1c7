"""Boxes of the objects in Cityscapes' instanceIds or polygons files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.opening import opened
from tasks.data.files.polygons import draw_ids

MAX_ID = 2**16 - 1
OBJECTS = 1000  # smaller ids are label ids: their pixels are a group of objects that were not separated


class Found(NamedTuple):
    """The objects of one file: label ids (K), boxes (K, 4) x, y, width, height, pixel counts (K), group flags (K)."""

    size: tuple[int, int]
    label_ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.int64]
    crowd: NDArray[np.bool_]


def pack_instances(files: Sequence[Path], labels: Mapping[str, int]) -> PackedBoxes:
    """Boxes of all objects of the given labels, from one file per image.

    An object's box encloses all its visible pixels, and its area is their number. A group is a crowd. Small objects are
    kept: training at a lower resolution drops the smallest there. Images are numbered from 1.

    Args:
        files: 16-bit images of ids: label id · 1000 + number for an object, the label id for a group; or polygons
            (.json), which are drawn as such an image.
        labels: ids of the evaluated labels by name, in the order of their class numbers.

    Raises:
        UserError: for a file that cannot be read.
    """
    label_ids = list(labels.values())

    def find(file: Path) -> Found:
        ids = draw_ids(file, labels, OBJECTS) if file.suffix == ".json" else read_ids(file)
        return find_objects(ids, label_ids)

    with thread_pool() as pool:  # decoding releases the GIL
        found = list(pool.map(find, files))
    owners = np.repeat(np.arange(len(files)), [len(one.label_ids) for one in found])
    number = np.zeros(max(label_ids) + 1, np.int64)
    number[label_ids] = np.arange(len(label_ids))
    return PackedBoxes(
        np.arange(1, len(files) + 1),
        np.array([one.size for one in found], np.int64),
        owners,
        np.concatenate([one.boxes for one in found]),
        number[np.concatenate([one.label_ids for one in found])],
        np.concatenate([one.areas for one in found]).astype(np.float64),
        np.concatenate([one.crowd for one in found]),
        np.arange(1, len(owners) + 1),
    )


def find_objects(ids: NDArray[np.integer], label_ids: Sequence[int]) -> Found:
    """The objects in (H, W) ids, by ascending id."""
    height, width = ids.shape
    pixels = np.bincount(ids.ravel())
    present = np.flatnonzero(pixels)
    labels = np.where(present < OBJECTS, present, present // OBJECTS)
    present, labels = present[np.isin(labels, label_ids)], labels[np.isin(labels, label_ids)]

    place = np.full(len(pixels), -1, np.int32)
    place[present] = np.arange(len(present))
    places = place[ids]
    y, x = np.nonzero(places >= 0)
    rows, columns = np.zeros((len(present), height), np.bool_), np.zeros((len(present), width), np.bool_)
    rows[places[y, x], y] = True
    columns[places[y, x], x] = True
    left, top = columns.argmax(1), rows.argmax(1)
    right, bottom = width - columns[:, ::-1].argmax(1), height - rows[:, ::-1].argmax(1)
    boxes = np.stack((left, top, right - left, bottom - top), 1).astype(np.float64)
    return Found((height, width), labels, boxes, pixels[present], present < OBJECTS)


def read_ids(path: Path) -> NDArray[np.integer]:
    """An instanceIds file as (H, W).

    Raises:
        UserError: if it cannot be decoded, or has colours instead of ids.
    """
    with opened(path, "instances") as image:
        if image.mode not in ("I;16", "I"):
            raise UserError(f"{path} has mode {image.mode}; an instanceIds file has one 16-bit id per pixel")
        ids = np.asarray(image)
        if ids.min() < 0 or ids.max() > MAX_ID:
            raise UserError(f"{path} has ids from {ids.min()} to {ids.max()}; an instanceIds file has 0 to {MAX_ID:,}")
        return ids
