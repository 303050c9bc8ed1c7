"""COCO's results files: what was found (cocodataset.org/#format-results)."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from reprlib import repr as short
from typing import Any

import numpy as np

from tasks.detect.arrange import Found, Integers
from tasks.errors import UserError

AT_ONCE = 10_000  # detections turned into text at a time
Rows = list[dict[str, Any]]


def write_results(found: Found, path: Path) -> None:
    """Write COCO's results, as its server takes them; read again, they are the same numbers to the last bit.

    Raises:
        ValueError: for a box or score that is not finite: JSON has no word for it.
    """
    for row in np.flatnonzero(~(np.isfinite(found.boxes).all(1) & np.isfinite(found.scores)))[:1]:
        raise ValueError(f"image {found.image[row]} has a box {found.boxes[row]} with the score {found.scores[row]}")
    with path.open("w") as file:
        file.write("[")
        for start in range(0, len(found.scores), AT_ONCE):
            columns = (column[start : start + AT_ONCE].tolist() for column in found)
            lines = (
                f'{{"image_id":{image},"category_id":{category},"bbox":[{x},{y},{width},{height}],"score":{score}}}'
                for image, category, (x, y, width, height), score in zip(*columns, strict=True)
            )
            file.write((",\n" if start else "\n") + ",\n".join(lines))
        file.write("\n]\n")


def read_results(path: Path, images: Integers, categories: Integers) -> Found:
    """Read anyone's results for a data set of these image and category ids.

    Raises:
        UserError: for a file that is not one, and the first result that lacks something or names what is not there.
    """
    rows = read_rows(path)
    return Found(
        *references(rows, images, categories, path),
        boxes=np.array(column(rows, "bbox", is_box, "four numbers", path), np.float64).reshape(-1, 4),
        scores=np.array(column(rows, "score", is_number, "a number", path), np.float64),
    )


def read_rows(path: Path) -> Rows:
    """A file's list of objects."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}") from error
    except RecursionError:
        raise UserError(f"{path} is nested too deeply to be read") from None
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise UserError(f"{path} is not a list of results")
    return content


def column(rows: Rows, key: str, fits: Callable[[Any], bool], what: str, path: Path) -> list[Any]:
    """The rows' values of a key; a UserError names the first row that has none or one that does not fit."""
    for place, row in enumerate(rows):
        if key not in row:
            raise UserError(f"{path}: {describe(place, row)} has no {key}")
        if not fits(row[key]):
            raise UserError(f"{path}: {describe(place, row)} has the {key} {short(row[key])}, which is not {what}")
    return [row[key] for row in rows]


def describe(place: int, row: dict[str, Any]) -> str:
    """What finds a row in its file: its place and its ids."""
    ids = ", ".join(f"{key} {short(row[key])}" for key in ("id", "image_id", "category_id") if key in row)
    return f"entry {place} ({ids})" if ids else f"entry {place}"


def is_integer(value: object) -> bool:
    return type(value) is int and abs(value) < 2**63  # JSON's true is an int to isinstance


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and type(value) is not bool and abs(value) <= sys.float_info.max


def is_box(value: object) -> bool:
    return type(value) is list and len(value) == 4 and all(map(is_number, value))


def references(rows: Rows, images: Integers, categories: Integers, path: Path) -> tuple[Integers, Integers]:
    """The rows' image and category ids; a UserError names the first that is not listed."""
    found = []
    for key, known in (("image_id", images), ("category_id", categories)):
        ids = np.array(column(rows, key, is_integer, "a whole number", path), np.int64)
        for place in np.flatnonzero(~np.isin(ids, known))[:1]:
            raise UserError(f"{path}: {describe(int(place), rows[place])}: there is no such {key} in the data set")
        found.append(ids)
    return found[0], found[1]
