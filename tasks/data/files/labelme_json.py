"""LabelMe's annotation files: one JSON for each image, with shapes of labelled points."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.cache import Arrays, cached
from tasks.data.files.json_rows import as_integer, as_number, read_json
from tasks.data.files.shapes import FARTHEST

POLYGONS = ("polygon", "rotation", "quadrilateral")  # the last two of X-AnyLabeling
LINES = ("line", "linestrip", "point", "points")  # without area
PIXELS = "mask"  # a rectangle with a picture of the pixels in it
CORNERS = 32  # of a circle; a multiple of four has its box
Point = tuple[float, float]


class Shape(NamedTuple):
    """A shape: label, group (-1 for none), corners (none if it has no area), and whether it is a box of pixels."""

    label: str
    group: int
    ring: list[Point]
    boxed: bool


class Labelled(NamedTuple):
    """Content of a file: the image's path as written, (height, width) or 0, whether it is embedded, and shapes."""

    image: str
    size: tuple[int, int]
    embedded: bool
    shapes: list[Shape]


class LabelledShapes(NamedTuple):
    """Content of many files.

    Attributes:
        labels: that occur, sorted.
        images: path of each file's image, as written.
        sizes: (N, 2) height, width; 0 if a file has none.
        embedded: (N,) bool, whether the image is also in the file.
        owners: (S,) index of each shape's file.
        kinds: (S,) index of its label.
        groups: (S,) its group in the file; -1 for none.
        boxed: (S,) bool, whether its corners are only a box around its pixels.
        lengths: (S,) number of its values; 0 without area.
        values: (V,) x, y, x, y, … of all shapes.
    """

    labels: list[str]
    images: list[str]
    sizes: NDArray[np.int64]
    embedded: NDArray[np.bool_]
    owners: NDArray[np.int64]
    kinds: NDArray[np.int64]
    groups: NDArray[np.int64]
    boxed: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    values: NDArray[np.float64]


def read_shapes(files: Sequence[tuple[str, int, int]]) -> LabelledShapes:
    """The content of LabelMe's files, given by their stamps (see cache.py); parsed once.

    Raises:
        UserError: see read_labelled.
    """
    arrays = cached("labelme 1", files, partial(parse, files))
    labels, images = unpack(arrays["labels"]), unpack(arrays["images"])
    return LabelledShapes(labels, images, **{key: arrays[key] for key in LabelledShapes._fields[2:]})


def parse(files: Sequence[tuple[str, int, int]]) -> Arrays:
    """The content of LabelMe's files as arrays."""
    read = [read_labelled(Path(path)) for path, _, _ in files]
    shapes = [shape for each in read for shape in each.shapes]
    labels = sorted({shape.label for shape in shapes})
    number = {label: place for place, label in enumerate(labels)}
    return {
        "labels": pack(labels),
        "images": pack([each.image for each in read]),
        "sizes": np.array([each.size for each in read], np.int64).reshape(-1, 2),
        "embedded": np.array([each.embedded for each in read], np.bool_),
        "owners": np.repeat(np.arange(len(read)), [len(each.shapes) for each in read]),
        "kinds": np.array([number[shape.label] for shape in shapes], np.int64),
        "groups": np.array([shape.group for shape in shapes], np.int64),
        "boxed": np.array([shape.boxed for shape in shapes], np.bool_),
        "lengths": np.array([2 * len(shape.ring) for shape in shapes], np.int64),
        "values": np.array([point for shape in shapes for point in shape.ring], np.float64).ravel(),
    }


def pack(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Texts in an array, with a zero byte after each."""
    return np.frombuffer("".join(f"{text}\0" for text in texts).encode("utf-8", "surrogatepass"), np.uint8)


def unpack(packed: NDArray[Any]) -> list[str]:
    """The texts of such an array."""
    return bytes(packed).decode("utf-8", "surrogatepass").split("\0")[:-1]


def read_labelled(path: Path) -> Labelled:
    """One file.

    Raises:
        UserError: if it cannot be read, is not LabelMe's, or has a shape of unknown type or of invalid points.
    """
    content = read_json(path)
    if not isinstance(content, dict) or "shapes" not in content:
        raise UserError(f"{path} is no file of LabelMe: it has no shapes")
    rows = content["shapes"] or []
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path}: shapes is not a list of objects")
    shapes = [read_shape(row, f"{path}: shape {place}") for place, row in enumerate(rows)]
    image = str(content.get("imagePath") or "").replace("\0", "")
    return Labelled(image, read_size(content, path), bool(content.get("imageData")), shapes)


def read_size(content: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """(height, width) of the image; 0 if the file has none."""
    written = [content.get(key) for key in ("imageHeight", "imageWidth")]
    if written == [None, None]:
        return 0, 0
    height, width = (as_integer(value) for value in written)
    if height is None or width is None or not (0 < height < 2**31 and 0 < width < 2**31):
        raise UserError(f"{path} has imageWidth {short(written[1])} and imageHeight {short(written[0])}")
    return height, width


def read_shape(row: Mapping[str, Any], what: str) -> Shape:
    """One shape.

    Args:
        what: file and shape, for messages.
    """
    label, kind = str(row.get("label") or "").replace("\0", "").strip(), row.get("shape_type") or "polygon"
    if not label:
        raise UserError(f"{what} has no label")
    if kind not in (*POLYGONS, *LINES, "rectangle", "circle", PIXELS):
        raise UserError(
            f"{what} ({label}) is of the type {short(kind)}, which is not read: polygon, rectangle, circle, {PIXELS}"
        )
    points = read_points(row.get("points"), f"{what} ({label})")
    group = as_integer(row.get("group_id"))
    if (kind in ("rectangle", PIXELS) and len(points) < 2) or (kind == "circle" and len(points) != 2):
        raise UserError(f"{what} ({label}) is a {kind} of {len(points)} points, not of 2")
    return Shape(label, -1 if group is None else group, ring_of(kind, points), kind == PIXELS)


def read_points(points: Any, what: str) -> list[Point]:
    """Points [[x, y], …] as pairs of finite numbers."""
    if not isinstance(points, list):
        raise UserError(f"{what} has no list of points")
    found = []
    for point in points:
        pair = [as_number(value) for value in point] if isinstance(point, list) else []
        if len(pair) != 2 or not all(value is not None and abs(value) <= FARTHEST for value in pair):
            raise UserError(f"{what} has the point {short(point)}, which is no x and y near the image")
        found.append((float(pair[0] or 0), float(pair[1] or 0)))
    return found


def ring_of(kind: str, points: Sequence[Point]) -> list[Point]:
    """The corners of a shape's area; none if it has no area."""
    if kind in ("rectangle", PIXELS):
        (left, *_, right), (top, *_, bottom) = (sorted(values) for values in zip(*points, strict=True))
        return [(left, top), (right, top), (right, bottom), (left, bottom)]
    if kind == "circle":
        (x, y), radius = points[0], math.dist(*points)
        angles = [2 * math.pi * place / CORNERS for place in range(CORNERS)]
        return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]
    return list(points) if kind in POLYGONS and len(points) >= 3 else []
