"""Annotation files of Pascal VOC's format, as VOC and many tools write them."""

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.cache import Arrays, cached
from tasks.data.files.opening import open_file, reason

LARGEST_XML = 32_000_000  # bytes
EDGES = ("xmin", "ymin", "xmax", "ymax")
Corners = tuple[float, float, float, float]


class Marked(NamedTuple):
    """Content of a file: (height, width), 0 if it has none; and name, corners as written and difficulty of objects."""

    size: tuple[int, int]
    objects: list[tuple[str, Corners, bool]]


class Objects(NamedTuple):
    """Content of many files.

    Attributes:
        names: of the classes that occur, sorted.
        sizes: (N, 2) height, width; 0 if a file has none.
        owners: (A,) index of each object's file.
        kinds: (A,) index of its name.
        corners: (A, 4) xmin, ymin, xmax, ymax as written.
        difficult: (A,) bool.
    """

    names: list[str]
    sizes: NDArray[np.int64]
    owners: NDArray[np.int64]
    kinds: NDArray[np.int64]
    corners: NDArray[np.float64]
    difficult: NDArray[np.bool_]


def read_annotations(files: Sequence[tuple[str, int, int]]) -> Objects:
    """The content of annotation files, given by their stamps (see cache.py); parsed once.

    Raises:
        UserError: see read_annotation.
    """
    arrays = cached("voc 1", files, partial(parse, files))
    names = bytes(arrays["names"]).decode("utf-8", "surrogatepass").split("\0")
    return Objects(names[:-1], **{key: arrays[key] for key in Objects._fields[1:]})


def parse(files: Sequence[tuple[str, int, int]]) -> Arrays:
    """The content of annotation files as arrays; the names end in a zero byte each."""
    marked = [read_annotation(Path(path)) for path, _, _ in files]
    objects = [one for each in marked for one in each.objects]
    names = sorted({name for name, _, _ in objects})
    number = {name: place for place, name in enumerate(names)}
    text = "".join(f"{name}\0" for name in names).encode("utf-8", "surrogatepass")
    return {
        "names": np.frombuffer(text, np.uint8),
        "sizes": np.array([each.size for each in marked], np.int64).reshape(-1, 2),
        "owners": np.repeat(np.arange(len(marked)), [len(each.objects) for each in marked]),
        "kinds": np.array([number[name] for name, _, _ in objects], np.int64),
        "corners": np.array([corners for _, corners, _ in objects], np.float64).reshape(-1, 4),
        "difficult": np.array([difficult for _, _, difficult in objects], np.bool_),
    }


def read_annotation(path: Path) -> Marked:
    """One annotation file.

    Raises:
        UserError: if it cannot be read, is incomplete, or has an image without pixels or a box of negative size.
    """
    try:
        root = ElementTree.fromstring(read_xml(path))  # it resolves no external entities
        if root.tag == "annotations":
            raise of_cvat(path)
        return Marked(read_size(root, path), [read_object(node, path) for node in root.iter("object")])
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not XML: {error}") from error
    except (ValueError, LookupError, OverflowError) as error:  # an unknown encoding; "inf" as a whole number
        raise UserError(f"{path}: {error}") from error


def of_cvat(path: Path) -> UserError:
    """Error for CVAT's own format."""
    return UserError(
        f"{path} is one file for all images (CVAT for images), not VOC's XML: export the task from CVAT as COCO 1.0 "
        "and use dataset=coco_json, or as Pascal VOC 1.1"
    )


def read_xml(path: Path) -> bytes:
    """The text of an XML file.

    Raises:
        UserError: if it cannot be read, is implausibly large, or defines entities: a few nested ones would fill all
            memory.
    """
    try:
        with open_file(path) as file:
            content = file.read(LARGEST_XML + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(path, error)}") from error
    if len(content) > LARGEST_XML:
        raise UserError(f"cannot read {path}: it has more than {LARGEST_XML:,} bytes")
    if b"<!ENTITY" in content.replace(b"\0", b""):  # in UTF-16 every other byte is 0
        raise UserError(f"cannot read {path}: it defines XML entities, which no annotation needs")
    return content


def read_size(root: ElementTree.Element, path: Path) -> tuple[int, int]:
    """(height, width) of the image; 0, 0 if the file has none or says 0 × 0."""
    if root.find("size") is None:
        return 0, 0
    height, width = (int(number_of(root, f"size/{side}", path)) for side in ("height", "width"))
    if (height, width) != (0, 0) and not (0 < height < 2**31 and 0 < width < 2**31):
        raise UserError(f"{path}: the image has width {width} and height {height}")
    return height, width


def read_object(node: ElementTree.Element, path: Path) -> tuple[str, Corners, bool]:
    """One object: name, corners and whether it is difficult."""
    name = text(node, "name", path)
    left, top, right, bottom = corners = corners_of(node, path)
    if right - left + 1 < 0 or bottom - top + 1 < 0:
        raise UserError(
            f"{path}: {name} from {left:g}, {top:g} to {right:g}, {bottom:g}: a negative width or height: "
            "correct or remove it"
        )
    return name, corners, (node.findtext("difficult") or "0").strip().lower() in ("1", "true")


def corners_of(node: ElementTree.Element, path: Path) -> Corners:
    """xmin, ymin, xmax, ymax of an object: of its box, or around its rotated box (labelImg2) or polygon."""
    box = node.find("bndbox")
    if box is not None:
        written = [box.findtext(edge) for edge in EDGES]
        if all(written):  # the usual case; what is missing is named below
            left, top, right, bottom = (float(value or "") for value in written)
            return left, top, right, bottom
    else:
        if node.find("robndbox") is not None:
            x, y, width, height, angle = (
                number_of(node, f"robndbox/{key}", path) for key in ("cx", "cy", "w", "h", "angle")
            )
            cos, sin = abs(math.cos(angle)) / 2, abs(math.sin(angle)) / 2
            right, down = width * cos + height * sin, width * sin + height * cos
            return x - right, y - down, x + right, y + down
        polygon = node.find("polygon")
        if polygon is not None:
            xs, ys = (
                [float(one.text or "") for one in polygon.iter() if is_coordinate(one.tag, axis)] for axis in "xy"
            )
            if not xs or len(xs) != len(ys):
                raise UserError(f"{path}: a polygon with {len(xs)} x and {len(ys)} y")
            return min(xs), min(ys), max(xs), max(ys)
    left, top, right, bottom = (number_of(node, f"bndbox/{edge}", path) for edge in EDGES)
    return left, top, right, bottom


def is_coordinate(tag: str, axis: str) -> bool:
    """Whether a polygon's element is a coordinate: <x> in <pt>, or Roboflow's <x1>, <y1>, <x2>, …"""
    return tag[:1] == axis and (tag[1:].isdecimal() or not tag[1:])


def number_of(node: ElementTree.Element, key: str, path: Path) -> float:
    """Number in an element below a node."""
    return float(text(node, key, path))


def text(node: ElementTree.Element, key: str, path: Path) -> str:
    """Text of an element below a node."""
    found = node.findtext(key)
    if found is None:
        raise UserError(f"{path}: {node.tag} lacks {key}")
    if not found.strip():
        raise UserError(f"{path}: {node.tag} has an empty {key}")
    return found.strip()
