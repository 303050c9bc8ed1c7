"""Columns of the annotations of COCO's format, as arrays: ids, areas, crowds, outlines; and what repeats."""

from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.json_rows import Row, as_integer, as_number, entry, is_integer
from tasks.data.files.shapes import Shapes


def annotation_ids(annotations: Sequence[Row]) -> NDArray[np.int64]:
    """(A,) ids for messages; positions from 1 if the file's are missing or not integers."""
    values = [row.get("id") for row in annotations]
    whole = all(map(is_integer, values))
    return np.array(values if whole else range(1, len(values) + 1), np.int64)


def are_doubled(annotations: Sequence[Row], refers: NDArray[np.int64], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Annotations (A,) whose id, image, category and box an earlier one has.

    Args:
        refers: (A, 2) of image and category.
    """
    values = [row.get("id") for row in annotations]
    doubled = np.zeros(len(values), np.bool_)
    if all(map(is_integer, values)) and len(set(values)) < len(values):
        whole = np.column_stack((np.array(values, np.float64), refers, boxes))
        doubled[:] = True
        doubled[np.unique(whole, axis=0, return_index=True)[1]] = False
    return doubled


def check_sides(boxes: NDArray[np.float64], annotations: Sequence[Row], path: Path) -> None:
    """Raises a UserError for a box of negative size."""
    wrong = np.flatnonzero((boxes[:, 2:] < 0).any(1))
    for place in wrong[:1]:
        name, more = entry("annotation", annotations[place], int(place)), len(wrong) - 1
        raise UserError(
            f"{path}: {name} has bbox {annotations[place].get('bbox')}: a negative width or height "
            "(boxes are [x, y, width, height]): correct or remove it" + (f"; so have {more} more" if more else "")
        )


def read_areas(annotations: Sequence[Row], boxes: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """The objects' areas (A,): width · height of the boxes (A, 4) if the file has no finite area.

    Raises:
        UserError: for an area that is not a number or is negative.
    """
    values = [np.nan if (area := row.get("area")) is None else as_number(area) for row in annotations]
    for place, area in enumerate(values):
        if area is None or area < 0:
            name = entry("annotation", annotations[place], place)
            raise UserError(
                f"{path}: {name} has area {short(annotations[place]['area'])}, which is not a number from 0"
            )
    areas = np.array(values, np.float64)
    return np.where(np.isfinite(areas), areas, boxes[:, 2] * boxes[:, 3])


def read_crowds(annotations: Sequence[Row], path: Path) -> NDArray[np.bool_]:
    """Which annotations are crowds (A,): those with iscrowd 1 or true; null is 0."""
    values: list[Any] = [row.get("iscrowd") or 0 for row in annotations]
    if not all(value in (0, 1) for value in values):
        values = [as_integer(value) for value in values]
    for place, value in enumerate(values):
        if value not in (0, 1):  # true and false are equal to these
            name = entry("annotation", annotations[place], place)
            raise UserError(f"{path}: {name} has iscrowd {short(annotations[place]['iscrowd'])}, which is not 0 or 1")
    return np.array(values, np.bool_)


def read_outlines(
    annotations: Sequence[Row], boxes: NDArray[np.float64], path: Path
) -> tuple[Shapes, NDArray[np.bool_]]:
    """Outlines of the annotations, their box for those without one; and which have one (A,)."""

    def name(place: int) -> str:
        return entry("annotation", annotations[place], place)

    segments = [row.get("segmentation") for row in annotations]
    shapes = Shapes.of(segments, path, name)
    lacking = shapes.empty()
    if lacking.any() and not lacking.all():
        for place in np.flatnonzero(lacking & np.isfinite(boxes).all(1)).tolist():
            x, y, width, height = boxes[place].tolist()
            segments[place] = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        shapes = Shapes.of(segments, path, name)
    return shapes, ~lacking
