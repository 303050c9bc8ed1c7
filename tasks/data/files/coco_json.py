"""Instance annotations in COCO's JSON format (cocodataset.org/#format-data), checked and turned into arrays."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.coco_annotations import (
    annotation_ids,
    are_doubled,
    check_sides,
    read_areas,
    read_crowds,
    read_outlines,
)
from tasks.data.files.coco_boxes import lacks_box, read_boxes
from tasks.data.files.coco_lists import named, read_sizes
from tasks.data.files.coco_parse import parse, without_collection
from tasks.data.files.ids import read_ids, refer
from tasks.data.files.json_rows import column, rows, texts
from tasks.data.files.shapes import Shapes


class Instances(NamedTuple):
    """Content of a file.

    Attributes:
        path: of the file.
        categories: (name, id), by ascending id; categories that share a name have their id appended: "name (3)".
        image_ids: (N,).
        files: file names of the images.
        sizes: (N, 2) height, width; 0 if missing.
        owners: (A,) index of each annotation's image.
        boxes: (A, 4) x, y, width, height.
        kinds: (A,) index of each annotation's category.
        areas: (A,) width · height if missing in the file.
        crowd: (A,) bool.
        ids: (A,) of the annotations; their positions from 1 if these are not integers.
        notes: lines about what was reinterpreted or left out.
        shapes: the objects' outlines, of those without one the box; None if they were not requested.
        outlined: (A,) bool, objects with an outline; all false if outlines were not requested.
    """

    path: Path
    categories: list[tuple[str, int]]
    image_ids: NDArray[np.int64]
    files: list[str]
    sizes: NDArray[np.int64]
    owners: NDArray[np.int64]
    boxes: NDArray[np.float64]
    kinds: NDArray[np.int64]
    areas: NDArray[np.float64]
    crowd: NDArray[np.bool_]
    ids: NDArray[np.int64]
    notes: list[str]
    shapes: Shapes | None
    outlined: NDArray[np.bool_]


def read_instances(path: Path, *, outlines: bool = False) -> Instances:
    """Read a file.

    Numbers may be written as text, and ids as 7.0 or "7". Annotations without any box are left out and counted, and so
    are those written twice, with the same id, image, category and box.

    Args:
        outlines: whether segmentations are read; otherwise they are only used to make missing boxes.

    Raises:
        UserError: for invalid JSON, a missing key, an invalid value, a duplicate id or one that refers to nothing, a
            box or an area of negative size, an invalid outline.
    """
    with without_collection():
        return read_content(path, outlines)


def read_content(path: Path, outlines: bool) -> Instances:
    """See read_instances."""
    content = parse(path, polygons=outlines)
    images, annotations, categories = (rows(content, key, path) for key in ("images", "annotations", "categories"))
    category_ids, image_ids = read_ids(categories, "category", path), read_ids(images, "image", path)
    sizes = read_sizes(images, path)

    owners = refer(column(annotations, "image_id", "annotation", path), image_ids, annotations, "image_id", path)
    kinds = refer(
        column(annotations, "category_id", "annotation", path), category_ids, annotations, "category_id", path
    )
    if not outlines and any(map(lacks_box, annotations)):
        annotations = rows(parse(path, polygons=True), "annotations", path)
    boxes = read_boxes(annotations, path)
    ids = annotation_ids(annotations)
    check_sides(boxes, annotations, path)
    areas, crowd = read_areas(annotations, boxes, path), read_crowds(annotations, path)
    notes = [f"{path.name}: {known.note}" for known in (category_ids, image_ids) if known.note]
    absent = np.array([lacks_box(row) for row in annotations], np.bool_)
    made, none = absent & np.isfinite(boxes).all(1), absent & ~np.isfinite(boxes).all(1)
    if none.all() and len(none):
        raise UserError(f"{path}: not one of {len(none)} annotations has a box, polygons or a mask")
    for places, what in ((made, "boxes made of polygons or masks"), (none, "annotations without a box left out")):
        if places.any():
            some = f"annotation {ids[places][0]}{', …' if places.sum() > 1 else ''}"
            notes.append(f"{path.name}: {places.sum()} {what} ({some})")
    doubled = are_doubled(annotations, np.column_stack((owners, kinds)), boxes) & ~none
    if doubled.any():
        some = f"annotation {ids[doubled][0]}{', …' if doubled.sum() > 1 else ''}"
        notes.append(f"{path.name}: {doubled.sum()} annotations written twice are read once ({some})")
    kept = np.flatnonzero(~none & ~doubled)
    shapes, outlined = None, np.zeros(len(kept), np.bool_)
    if outlines:
        shapes, outlined = read_outlines([annotations[place] for place in kept.tolist()], boxes[kept], path)
    return Instances(
        path=path,
        categories=named(categories, category_ids, path),
        image_ids=image_ids.numbers,
        files=texts(images, "file_name", "image", path),
        sizes=sizes,
        owners=owners[kept],
        boxes=boxes[kept],
        kinds=np.argsort(np.argsort(category_ids.numbers))[kinds[kept]],
        areas=areas[kept],
        crowd=crowd[kept],
        ids=ids[kept],
        notes=notes,
        shapes=shapes,
        outlined=outlined,
    )
