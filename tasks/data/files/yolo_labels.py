"""Label files of YOLO's format: a text for each image, a row for each object, numbers as fractions of the image.

A row is `class cx cy w h`, a class and three or more points `x y`, or a box with keypoints (Ultralytics' data formats).
"""

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.opening import reason, shown, without_waiting
from tasks.data.files.yolo_rows import BEYOND, BOX, LEAST, ORIENTED, ROUNDING, Format, first_fault

LARGEST = 64_000_000  # bytes of one file
AT_ONCE = 4096  # files parsed together
ALLOWED = b"0123456789.+-eE \t\r\n\v\f"
BOM = b"\xef\xbb\xbf"


class Objects(NamedTuple):
    """The rows of many files, in order.

    Attributes:
        owners: (A,) index of each row's file.
        labels: (A,) class numbers.
        boxes: (A, 4) x, y, width, height as fractions of the image; around the points of a polygon.
        areas: (A,) fractions of the image; those of polygons by the shoelace formula.
        counts: (A,) points of each polygon; 0 for a box.
        points: (P, 2) x, y of all polygons.
        repeated: (R,) index of the file of each row that was left out, because another one equals it.
    """

    owners: NDArray[np.int64]
    labels: NDArray[np.int64]
    boxes: NDArray[np.float64]
    areas: NDArray[np.float64]
    counts: NDArray[np.int64]
    points: NDArray[np.float64]
    repeated: NDArray[np.int64]


def read_objects(paths: Sequence[str], form: Format) -> Objects:
    """All rows of some files; of rows that are equal the first is kept.

    Args:
        paths: of the files; "" for an image without one.

    Raises:
        UserError: with file and line of the first row that is none, or for a file that cannot be read.
    """
    parts = [parse(paths[at : at + AT_ONCE], form, at) for at in range(0, len(paths), AT_ONCE)]
    return without_repeated(Objects(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True))))


def read_text(path: str) -> bytes:
    """The content of a label file; b"" for the path "".

    Raises:
        UserError: if it cannot be read, or is implausibly large.
    """
    if not path:
        return b""
    try:
        handle = without_waiting(path, os.O_RDONLY)  # a file object takes three times as long, 50,000 times
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise OSError("not a regular file")
            if status.st_size > LARGEST:
                raise UserError(f"cannot read {shown(path)}: it has more than {LARGEST:,} bytes")
            return os.read(handle, status.st_size).removeprefix(BOM)
        finally:
            os.close(handle)
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {reason(path, error)}") from error


def parse(paths: Sequence[str], form: Format, first: int) -> Objects:
    """The rows of some files; `first` is the index of the first one."""
    contents = [read_text(path) for path in paths]
    text = b"\n" + b"\n".join(contents) + b"\n"
    begins = np.cumsum([1, *(len(content) + 1 for content in contents)])[:-1]  # of each file in the text
    codes = np.frombuffer(text, np.uint8)
    blank = codes <= ord(" ")
    words = np.flatnonzero(blank[:-1] & ~blank[1:]) + 1  # where each number begins
    values = as_numbers(text, len(words))
    if values is None:
        raise first_fault(paths, contents, form)
    lines = np.searchsorted(np.flatnonzero((codes == ord("\n")) | (codes == ord("\r"))), words)
    starts = np.flatnonzero(np.diff(lines, prepend=-1))  # the first number of each row
    lengths = np.diff(starts, append=len(words))
    polygon, faulty = check_rows(values, starts, lengths, form)
    if faulty:
        raise first_fault(paths, contents, form)
    owners = np.searchsorted(begins, words[starts], side="right") - 1
    boxes = np.zeros((len(starts), 4))
    sides = values[starts[~polygon, None] + np.arange(1, BOX)] if len(starts) else boxes
    boxes[~polygon] = np.column_stack((sides[:, :2] - sides[:, 2:] / 2, sides[:, 2:]))
    areas = boxes[:, 2] * boxes[:, 3]
    counts = np.where(polygon, (lengths - 1) // 2, 0)
    of_point = np.repeat(polygon, lengths)
    of_point[starts] = False
    points = values[of_point].reshape(-1, 2)
    boxes[polygon], areas[polygon] = around(points, counts[polygon])
    labels = values[starts].astype(np.int64)
    return Objects(owners + first, labels, boxes, areas, counts, points, np.zeros(0, np.int64))


def as_numbers(text: bytes, count: int) -> NDArray[np.float64] | None:
    """The numbers of a text; None unless it is `count` finite numbers with blanks between them."""
    if not count:
        return np.zeros(0)
    if text.translate(None, ALLOWED):
        return None
    try:
        values = np.fromstring(text.decode("ascii"), sep=" ")
    except ValueError:
        return None
    return values if len(values) == count and np.isfinite(values).all() else None


def check_rows(
    values: NDArray[np.float64], starts: NDArray[np.intp], lengths: NDArray[np.intp], form: Format
) -> tuple[NDArray[np.bool_], bool]:
    """Whether each row is a polygon, and whether any breaks a rule of `fault`."""
    if form.keypoints:
        polygon = np.zeros(len(starts), bool)
        right = (lengths == BOX) | (lengths == BOX + form.keypoints)
    else:
        polygon = (lengths >= LEAST) & (lengths % 2 == 1)
        right = (lengths == BOX) | polygon
    if not right.all():
        return polygon, True
    labels = values[starts]
    places = np.arange(len(values)) - np.repeat(starts, lengths)  # in its row
    used = (places > 0) & (np.repeat(polygon, lengths) | (places < BOX))
    slack = np.repeat(np.where(polygon & (lengths == ORIENTED), BEYOND, ROUNDING), lengths)
    inside = (values >= -slack) & (values <= 1 + slack)
    negative = (values[starts[~polygon, None] + np.arange(3, BOX)] < 0).any() if len(starts) else False
    known = (labels == np.floor(labels)) & (labels >= 0) & (labels < form.classes)
    return polygon, bool(negative) or not known.all() or not inside[used].all()


def around(points: NDArray[np.float64], counts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Boxes (K, 4) x, y, width, height around polygons, and their areas.

    Args:
        points: (P, 2) of all polygons.
        counts: (K,) points of each.
    """
    if not len(counts):
        return np.zeros((0, 4)), np.zeros(0)
    begins = np.cumsum(counts) - counts
    low, high = np.minimum.reduceat(points, begins), np.maximum.reduceat(points, begins)
    following = np.arange(1, len(points) + 1)
    following[begins + counts - 1] = begins
    x, y = (points - np.repeat(low, counts, axis=0)).T  # near zero, little is lost in the differences
    return np.column_stack((low, high - low)), np.abs(np.add.reduceat(x * y[following] - x[following] * y, begins)) / 2


def without_repeated(objects: Objects) -> Objects:
    """The rows without those that equal an earlier one of their file."""
    counts, ends = objects.counts, np.cumsum(objects.counts)
    keys = np.column_stack((objects.owners, objects.labels, counts, objects.boxes))
    order = np.lexsort(keys.T[::-1])  # stable: of equal rows the first comes first
    same = (keys[order[1:]] == keys[order[:-1]]).all(1)
    for place in np.flatnonzero(same & (counts[order[1:]] > 0)):  # few: polygons of one box and as many points
        one, other = (objects.points[ends[row] - counts[row] : ends[row]] for row in order[place : place + 2])
        same[place] = np.array_equal(one, other)
    gone = order[1:][same]
    if not len(gone):
        return objects
    kept = np.ones(len(counts), bool)
    kept[gone] = False
    rows = (objects.owners[kept], objects.labels[kept], objects.boxes[kept], objects.areas[kept], counts[kept])
    return Objects(*rows, objects.points[np.repeat(kept, counts)], np.sort(objects.owners[gone]))
