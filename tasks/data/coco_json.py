"""Instance annotations in COCO's JSON format (cocodataset.org/#format-data), checked and turned into arrays."""

import gc
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from reprlib import repr as short
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.annotations import HOLE
from tasks.data.json_rows import Row, column, is_number, numbers, rows, texts, unique_ids
from tasks.errors import UserError

# Polygons are three quarters of COCO's files; without them the rest is read in half the time and memory. A key cannot
# be within a string, whose quotes are escaped. Where a list holds more than numbers the match ends too early; a bracket
# is then left over, so that the rest is no JSON, and parse() takes the file as it is.
POLYGONS = re.compile(rb'"segmentation"\s*:\s*\[[\[\]\d.,\seE+-]*\]')


class Instances(NamedTuple):
    """A file's content.

    Attributes:
        path: of the file.
        categories: (name, id), by ascending id; categories that share a name have their id behind it: "name (3)".
        image_ids: (N,).
        files: their names.
        sizes: (N, 2) height, width.
        owners: (A,) place of each annotation's image.
        boxes: (A, 4) x, y, width, height.
        kinds: (A,) place of each annotation's category.
        areas: (A,) width · height where the file has none.
        crowd: (A,) bool.
        ids: (A,) of the annotations.
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


def read_instances(path: Path) -> Instances:
    """All of a file but its segmentations.

    Raises:
        UserError: for what is not JSON, a missing key, a value that is none, an id that is there twice or refers to
            nothing, a box or an area of negative size.
    """
    content = parse(path)
    images, annotations, categories = (rows(content, key, path) for key in ("images", "annotations", "categories"))

    category_ids = unique_ids(categories, "category", path)
    names = texts(categories, "name", "category", path)
    image_ids = unique_ids(images, "image", path)
    sizes = np.stack([numbers(images, key, "image", path) for key in ("height", "width")], 1)
    for place in np.flatnonzero((sizes < 1).any(1))[:1]:
        raise UserError(f"{path}: image {image_ids[place]} has width {sizes[place, 1]} and height {sizes[place, 0]}")

    ids = numbers(annotations, "id", "annotation", path)
    owners = refer(numbers(annotations, "image_id", "annotation", path), image_ids, ids, "image_id", path)
    kinds = refer(numbers(annotations, "category_id", "annotation", path), category_ids, ids, "category_id", path)
    boxes = read_boxes(annotations, ids, path)
    by_id = np.argsort(category_ids)
    return Instances(
        path=path,
        categories=told_apart([(names[place], int(category_ids[place])) for place in by_id]),
        image_ids=image_ids,
        files=texts(images, "file_name", "image", path),
        sizes=sizes,
        owners=owners,
        boxes=boxes,
        kinds=np.argsort(by_id)[kinds],
        areas=read_areas(annotations, boxes, ids, path),
        crowd=read_crowds(annotations, ids, path),
        ids=ids,
    )


def parse(path: Path) -> Row:
    """The file without polygons.

    Raises:
        UserError: if it cannot be read, or is not a JSON object.
    """
    enabled = gc.isenabled()
    gc.disable()  # millions of new objects, none of them garbage: looking through them takes half of the time
    try:
        written = path.read_bytes()
        try:
            content = json.loads(POLYGONS.sub(b'"segmentation":0', written))
        except ValueError:
            content = json.loads(written)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    except RecursionError:
        raise UserError(f"{path} is nested too deeply to be read") from None
    finally:
        if enabled:
            gc.enable()
    if not isinstance(content, dict):
        raise UserError(f"{path} is no JSON object with images, annotations and categories")
    return content


def refer(
    values: NDArray[np.int64], known: NDArray[np.int64], ids: NDArray[np.int64], key: str, path: Path
) -> NDArray[np.int64]:
    """Places of values among the known ones.

    Raises:
        UserError: for a value that is not known, with the annotation that has it.
    """
    order = np.argsort(known)
    places = order[np.searchsorted(known, values, sorter=order).clip(max=len(known) - 1)]
    for place in np.flatnonzero(known[places] != values)[:1]:
        some = ", ".join(map(str, known[order[:8]])) + (", …" if len(known) > 8 else "")
        raise UserError(f"{path}: annotation {ids[place]} has {key} {values[place]}, which is not listed ({some})")
    return places


def read_boxes(annotations: Sequence[Row], ids: NDArray[np.int64], path: Path) -> NDArray[np.float64]:
    """The boxes (A, 4).

    Raises:
        UserError: for one that is not four numbers, or of negative size.
    """
    values = column(annotations, "bbox", "annotation", path)
    for place, box in enumerate(values):
        if type(box) is not list or len(box) != 4 or not all(map(is_number, box)):
            raise UserError(f"{path}: annotation {ids[place]} has bbox {short(box)}, which is not four numbers")
    boxes = np.array(values, np.float64).reshape(-1, 4)
    for place in np.flatnonzero((boxes[:, 2:] < 0).any(1))[:1]:
        raise UserError(f"{path}: annotation {ids[place]} has bbox {values[place]}: a negative width or height")
    return boxes


def read_areas(
    annotations: Sequence[Row], boxes: NDArray[np.float64], ids: NDArray[np.int64], path: Path
) -> NDArray[np.float64]:
    """The objects' areas (A,): width · height of the boxes (A, 4) where the file has none that is finite.

    Raises:
        UserError: for one that is not a number, or negative.
    """
    values = [np.nan if (area := row.get("area")) is None else area for row in annotations]
    for place, area in enumerate(values):
        if not is_number(area) or area < 0:
            raise UserError(f"{path}: annotation {ids[place]} has area {short(area)}, which is not a number from 0")
    areas = np.array(values, np.float64)
    return np.where(np.isfinite(areas), areas, boxes[:, 2] * boxes[:, 3])


def read_crowds(annotations: Sequence[Row], ids: NDArray[np.int64], path: Path) -> NDArray[np.bool_]:
    """Which annotations are crowds (A,); a UserError names one that is neither that nor the opposite."""
    values = [row.get("iscrowd", 0) for row in annotations]
    for place, value in enumerate(values):
        if value not in (0, 1):  # as are true and false
            raise UserError(f"{path}: annotation {ids[place]} has iscrowd {short(value)}, which is not 0 or 1")
    return np.array(values, np.bool_)


def told_apart(categories: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """(name, id) of categories, the id also in a name that several have, or that means a gap between ids.

    Tables and metrics go by names.
    """
    times = Counter(name for name, _ in categories)
    return [(f"{name} ({number})" if times[name] > 1 or name == HOLE else name, number) for name, number in categories]
