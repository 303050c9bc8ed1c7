"""Boxes of COCO's annotations, from `bbox` or, if missing, from the object's polygons or mask."""

from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.boxes import NOTICED
from tasks.data.files.json_rows import Row, as_number, entry, is_json_number

Boxes = NDArray[np.float64]
Box = tuple[float, float, float, float]
MOSTLY_INSIDE = 0.2  # share of boxes that may exceed their images and are clipped: more means another format
LONGEST = 2**31  # limit of sides and runs of a run-length mask: pycocotools uses 32 bits


def lacks_box(row: Row) -> bool:
    """Whether an annotation has no box: no key, null, or an empty list."""
    return row.get("bbox") in (None, [])


def read_boxes(rows: Sequence[Row], path: Path) -> Boxes:
    """The boxes (A, 4) x, y, width, height; NaN for missing ones.

    Numbers may be written as text, and [[x, y, width, height]] is read as its only item.

    Raises:
        UserError: for anything else.
    """
    values = [row.get("bbox") for row in rows]
    if not all(type(box) is list and len(box) == 4 and all(map(is_json_number, box)) for box in values):
        values = [read_box(row, place, path) for place, row in enumerate(rows)]
    return np.array(values, np.float64).reshape(-1, 4)


def read_box(row: Row, place: int, path: Path) -> Sequence[float]:
    """The box of one annotation; NaN if it has none."""
    if lacks_box(row):
        return box_of_segmentation(row.get("segmentation")) or (np.nan,) * 4
    box: Any = row["bbox"]
    inner = box[0] if type(box) is list and len(box) == 1 else box
    numbers = [as_number(value) for value in inner] if type(inner) is list and len(inner) == 4 else [None]
    if None in numbers:
        name = entry("annotation", row, place)
        raise UserError(f"{path}: {name} has bbox {short(box)}, which is not four numbers x, y, width, height")
    return [number for number in numbers if number is not None]


def box_of_segmentation(segmentation: Any) -> Box | None:
    """x, y, width, height around polygons [[x, y, …], …] or a run-length mask; None for neither."""
    if isinstance(segmentation, dict):
        return box_of_mask(segmentation)
    polygons = segmentation if isinstance(segmentation, list) else []
    if polygons and all(map(is_json_number, polygons)):
        polygons = [polygons]
    points = [value for polygon in polygons if isinstance(polygon, list) for value in polygon]
    whole = all(isinstance(polygon, list) and len(polygon) % 2 == 0 for polygon in polygons)
    if not points or not whole or not all(map(is_json_number, points)):
        return None
    x, y = np.array(points, np.float64).reshape(-1, 2).T
    return float(x.min()), float(y.min()), float(np.ptp(x)), float(np.ptp(y))


def box_of_mask(mask: Row) -> Box | None:
    """x, y, width, height of a run-length mask (pycocotools' rleToBbox); None for an empty or damaged one."""
    size, counts = mask.get("size"), mask.get("counts")
    if not (
        isinstance(size, list) and len(size) == 2 and all(type(side) is int and 0 < side < LONGEST for side in size)
    ):
        return None
    runs = unpack_runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and 0 <= run < LONGEST for run in runs):
        return None
    height, width = size
    ends = np.cumsum(np.array(runs, np.float64)).astype(np.int64)
    starts, ends = ends[0::2][: len(runs) // 2], ends[1::2]  # of the runs of ones, column by column
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(ends) or ends[-1] > height * width:
        return None
    left, right = starts[0] // height, (ends[-1] - 1) // height
    one_column = starts // height == (ends - 1) // height
    top = np.where(one_column, starts % height, 0).min()
    bottom = np.where(one_column, (ends - 1) % height, height - 1).max()
    return float(left), float(top), float(right - left + 1), float(bottom - top + 1)


def unpack_runs(text: str) -> list[int] | None:
    """The runs of a compressed mask of pycocotools (rleFrString); None for a damaged string."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        code = ord(character) - 48
        if not 0 <= code < 64 or shift > 60:
            return None
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:
            if code & 16:  # negative
                value |= -1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value, shift = 0, 0
    return None if shift else runs


def check_meaning(boxes: Boxes, sizes: NDArray[np.int64], path: Path) -> None:
    """Raise if boxes are not x, y, width, height in pixels.

    Args:
        boxes: (A, 4) as in the file.
        sizes: (A, 2) height and width of each box's image.

    Raises:
        UserError: if all boxes fit into their images as x1, y1, x2, y2, but over a fifth do not as x, y, width, height;
            or if all are fractions of the image.
    """
    finite = np.isfinite(boxes).all(1)
    boxes, sizes = boxes[finite], sizes[finite]
    if not len(boxes):
        return
    limits = sizes[:, ::-1] + NOTICED
    outside = (boxes[:, :2] + boxes[:, 2:] > limits).any(1)
    as_corners = (boxes[:, 2:] > boxes[:, :2]).all(1) & (boxes[:, 2:] <= limits).all(1)
    if outside.mean() > MOSTLY_INSIDE and as_corners.all():
        raise UserError(
            f"{path}: bbox seems to be [x1, y1, x2, y2]: as [x, y, width, height], which COCO's format has, "
            f"{outside.sum()} of {len(boxes)} boxes reach beyond their image; write x2 - x1 and y2 - y1 instead"
        )
    if boxes.max() <= 1 and (boxes != np.round(boxes)).any() and (sizes > 1).all():
        raise UserError(f"{path}: bbox seems to be in fractions of the image: COCO's format has pixels")
