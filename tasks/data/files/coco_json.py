"""Instance annotations in COCO's JSON format (cocodataset.org/#format-data), checked and turned into arrays."""

import gc
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import HOLE
from tasks.common.errors import UserError
from tasks.data.files.coco_boxes import lacks_box, read_boxes
from tasks.data.files.ids import Ids, read_ids, refer
from tasks.data.files.json_rows import (
    Row,
    as_integer,
    as_number,
    column,
    entry,
    is_integer,
    numbers,
    parse_json,
    read_text,
    rows,
    texts,
)  # fmt: skip
from tasks.data.files.shapes import Shapes

# Polygons are three quarters of COCO's files; without them the rest is read in half the time and memory. The key cannot
# match within a string, where quotes are escaped. If a list holds more than numbers the match ends too early and leaves
# a bracket, so that the rest is not valid JSON and parse() reads the whole file.
POLYGONS = re.compile(rb'"segmentation"\s*:\s*\[[\[\]\d.,\seE+-]*\]')


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


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep the garbage collector from running: millions of new objects, none of them garbage, would take it half of the
    time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def parse(path: Path, *, polygons: bool = False) -> Row:
    """Parse the file, without polygons unless requested.

    Raises:
        UserError: if it cannot be read, or is not a JSON object.
    """
    written = read_text(path)
    try:
        content = None if polygons else json.loads(POLYGONS.sub(b'"segmentation":0', written))
    except (ValueError, RecursionError):
        content = None
    if content is None:
        content = parse_json(written, path)
    if not isinstance(content, dict):
        some = f"it is a list of {len(content)}: write its only item instead" if isinstance(content, list) else ""
        raise UserError(f"{path} is no JSON object with images, annotations and categories{some and '; '}{some}")
    return content


def named(categories: Sequence[Row], ids: Ids, path: Path) -> list[tuple[str, int]]:
    """(name, id) of the categories by ascending id; the name defaults to the id."""
    complete = [row if "name" in row else {**row, "name": row["id"]} for row in categories]
    names = texts(complete, "name", "category", path)
    return distinct([(names[place], int(ids.numbers[place])) for place in np.argsort(ids.numbers)])


def read_sizes(images: Sequence[Row], path: Path) -> NDArray[np.int64]:
    """(N, 2) heights and widths; 0 if an image has neither."""
    complete = [row if "height" in row or "width" in row else {**row, "height": -1, "width": -1} for row in images]
    sizes = np.stack([numbers(complete, key, "image", path) for key in ("height", "width")], 1)
    absent = np.array([row is not old for row, old in zip(complete, images, strict=True)], np.bool_)
    for place in np.flatnonzero((sizes < 1).any(1) & ~absent)[:1]:
        name = entry("image", images[place], int(place))
        raise UserError(f"{path}: {name} has width {sizes[place, 1]} and height {sizes[place, 0]}")
    return np.where(absent[:, None], 0, sizes)


def annotation_ids(annotations: Sequence[Row]) -> NDArray[np.int64]:
    """(A,) ids for messages; positions from 1 if the file's are missing or not integers."""
    values = [row.get("id") for row in annotations]
    whole = all(map(is_integer, values))
    return np.array(values if whole else range(1, len(values) + 1), np.int64)


def check_sides(boxes: NDArray[np.float64], annotations: Sequence[Row], path: Path) -> None:
    """Raises a UserError for a box of negative size."""
    wrong = np.flatnonzero((boxes[:, 2:] < 0).any(1))
    for place in wrong[:1]:
        name, more = entry("annotation", annotations[place], int(place)), len(wrong) - 1
        raise UserError(
            f"{path}: {name} has bbox {annotations[place].get('bbox')}: a negative width or height"
            + (f"; so have {more} more" if more else "")
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


def distinct(categories: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """(name, id) of categories, with the id appended to names that are not unique or that mark a gap between ids.

    Tables and metrics use names as keys.
    """
    times = Counter(name for name, _ in categories)
    return [(f"{name} ({number})" if times[name] > 1 or name == HOLE else name, number) for name, number in categories]
