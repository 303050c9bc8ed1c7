"""What a row of a YOLO label file may hold, and what is wrong with one.

A row is `class cx cy w h`, a class and three or more points `x y`, or a box with keypoints (Ultralytics' data formats).
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.opening import shown

BOX = 5  # numbers of a row that is a box
ORIENTED = 9  # numbers of a row that is an oriented box: its four corners
BEYOND = 0.5  # share of the image by which such a corner may lie outside, as it does for objects at the edge
LEAST = 7  # numbers of a row that is a polygon: a class and three points
ROUNDING = 0.01  # share of the image by which a number may lie outside 0-1, as Ultralytics tolerates
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Format(NamedTuple):
    """What a row may hold.

    Attributes:
        classes: number of classes.
        keypoints: numbers that follow a box; 0 if rows are boxes and polygons.
    """

    classes: int
    keypoints: int = 0


def first_fault(paths: Sequence[str], contents: Sequence[bytes], form: Format) -> UserError:
    """Error for the first row that is none."""
    for path, content in zip(paths, contents, strict=True):
        text = content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip() and (what := fault(line, form)):
                return UserError(f"{shown(path)}, line {number}: {what}")
    raise AssertionError("a fault that no row has")


def fault(line: str, form: Format) -> str:
    """What is wrong with a row; '' for nothing."""
    words = line.split()
    wrong = next((word for word in words if not NUMBER.fullmatch(word)), None)
    if wrong is not None:
        if "," in line:
            return f"{shown(line.strip()[:60])} has commas; YOLO's numbers are separated by spaces"
        return f"{shown(wrong[:60])} is not a number; a row is: class cx cy w h"
    values = [float(word) for word in words]
    count, (label, *rest) = len(values), values
    as_box = not count % 2 or count == BOX or form.keypoints
    if count != BOX and (count != BOX + form.keypoints if form.keypoints else count < LEAST or not count % 2):
        return wrong_count(count, form)
    if not 0 <= label < form.classes or label % 1:
        return f"class {label:g} is none of the {form.classes} in names (0 to {form.classes - 1})"
    slack = BEYOND if count == ORIENTED and not as_box else ROUNDING
    for value in rest[: BOX - 1] if as_box else rest:
        if not -slack <= value <= 1 + slack:
            return f"{value:g} is not a fraction of the image, from 0 to 1: divide x by its width, y by its height"
    if as_box and min(rest[2:4]) < 0:
        return f"a box {rest[2]:g} wide and {rest[3]:g} high"
    return ""


def wrong_count(count: int, form: Format) -> str:
    """What is wrong with a row of so many numbers."""
    if form.keypoints:
        return f"{count} numbers; with kpt_shape a row has {BOX + form.keypoints}: class cx cy w h and its keypoints"
    if count == BOX + 1:
        return "6 numbers: class cx cy w h and a confidence are predictions, not labels; leave the last one out"
    return (
        f"{count} numbers; a row is class cx cy w h, or a class and 3 or more points x y; keypoints need kpt_shape in "
        "data.yaml"
    )
