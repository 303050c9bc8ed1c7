"""Boxes of the objects in Pascal VOC's annotation files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.datasets.header_sizes import complete_sizes
from tasks.data.datasets.voc_parts import Part
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.voc_xml import Objects


def pack_boxes(
    part: Part, objects: Objects, labels: NDArray[np.int64], *, first_pixel: int, upright: bool
) -> PackedBoxes:
    """The boxes of a part. VOC counts pixels from 1 and includes the last: its 1 to 10 is 0 to 10 here.

    Args:
        labels: (A,) class numbers of the objects.
        first_pixel: what the files count pixels from.
        upright: whether the images are read upright, whatever their annotations.
    """
    sizes = complete_sizes(objects.sizes, part.folders.images, part.files, upright=upright, source=part.source.name)
    corners = objects.corners
    boxes = np.concatenate((corners[:, :2] - first_pixel, corners[:, 2:] - corners[:, :2] + 1), 1)
    packed = PackedBoxes(
        np.arange(1, len(part.files) + 1),
        sizes,
        objects.owners,
        boxes,
        labels,
        boxes[:, 2] * boxes[:, 3],
        objects.difficult,
        ids=objects.owners,  # the boxes have no ids; messages name their file
    )
    if repaired := packed.repairs.line(part.source, lambda owner: Path(part.xml[owner]).name):
        print(repaired, flush=True)
    if first_pixel == 1 and (from_zero := np.flatnonzero((corners[:, :2] == 0).any(1))).size:
        some = part.xml[objects.owners[from_zero[0]]]
        print(
            f"{part.source.name}: {len(from_zero)} boxes begin at pixel 0 ({some}), where VOC counts from 1: "
            "dataset.first_pixel=0 if the tool that wrote them counts from 0",
            flush=True,
        )
    return packed
