"""COCO's results files (cocodataset.org/#format-results)."""

from collections.abc import Callable, Mapping
from pathlib import Path
from reprlib import repr as short
from types import MappingProxyType
from typing import Any

import numpy as np

from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.data.files.ids import Ids, as_text
from tasks.data.files.json_rows import read_json
from tasks.detect.arrange import Found

NONE: Mapping[str, Any] = MappingProxyType({})
AT_ONCE = 10_000  # detections formatted at a time
Rows = list[dict[str, Any]]


def write_results(found: Found, path: Path) -> None:
    """Write COCO's results in the format of its server; reading them back gives exactly the same numbers.

    Raises:
        ValueError: for a box or score that is not finite, which JSON cannot represent.
    """
    for row in np.flatnonzero(~(np.isfinite(found.boxes).all(1) & np.isfinite(found.scores)))[:1]:
        raise ValueError(f"image {found.image[row]} has a box {found.boxes[row]} with the score {found.scores[row]}")
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for start in range(0, len(found.scores), AT_ONCE):
            columns = (column[start : start + AT_ONCE].tolist() for column in found)
            lines = (
                f'{{"image_id":{image},"category_id":{category},"bbox":[{x},{y},{width},{height}],"score":{score}}}'
                for image, category, (x, y, width, height), score in zip(*columns, strict=True)
            )
            file.write((",\n" if start else "\n") + ",\n".join(lines))
        file.write("\n]\n")


def read_results(path: Path, images: Ids, categories: Ids, stems: Mapping[str, Any] = NONE) -> tuple[Found, str]:
    """Read a results file from any source, for a data set with these image and category ids.

    Results of categories that are not listed are dropped, as in pycocotools; the second return value is a line that
    reports this.

    Args:
        stems: file name without suffix -> image id, for a message.

    Raises:
        UserError: for a file in another format, and for the first result that is incomplete or of an unlisted image,
            which pycocotools rejects as well.
    """
    rows = read_rows(path)
    image = images.places(column(rows, "image_id", is_id, "a whole number or a text", path))
    for place in np.flatnonzero(image < 0)[:1]:
        value = rows[place]["image_id"]
        why = f"there is no such image_id in the data set ({images.some()})"
        if str(value) in stems:
            why += f"; the image of the file {value} has the id {short(stems[str(value)])}, which is to stand there"
        raise UserError(f"{path}: {row_name(int(place), rows[place])}: {why}")
    category = categories.places(column(rows, "category_id", is_id, "a whole number or a text", path))
    boxes = np.array(column(rows, "bbox", is_box, "four numbers", path), np.float64).reshape(-1, 4)
    scores = np.array(column(rows, "score", is_number, "a number", path), np.float64)
    listed = category >= 0
    found = Found(images.numbers[image[listed]], categories.numbers[category[listed]], boxes[listed], scores[listed])
    left = int((~listed).sum())
    some = short(rows[int(np.flatnonzero(~listed)[0])]["category_id"]) if left else ""
    note = (
        f"{path.name}: {left} of {len(rows)} results left out: no category {some} in the data set ({categories.some()})"
    )
    return found, note if left else ""


def read_rows(path: Path) -> Rows:
    """A file's list of objects."""
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        keys = f"; it is an object with {', '.join(list(content)[:5])}" if isinstance(content, dict) else ""
        raise UserError(f"{path} is not a list of results{keys}")
    return content


def column(rows: Rows, key: str, fits: Callable[[Any], bool], what: str, path: Path) -> list[Any]:
    """The rows' values of a key; raises a UserError that names the first row with a missing or invalid value."""
    for place, row in enumerate(rows):
        if key not in row:
            raise UserError(f"{path}: {row_name(place, row)} has no {key}")
        if not fits(row[key]):
            raise UserError(f"{path}: {row_name(place, row)} has the {key} {short(row[key])}, which is not {what}")
    return [row[key] for row in rows]


def row_name(place: int, row: dict[str, Any]) -> str:
    """Identifies a row in its file: by its position and ids."""
    ids = ", ".join(f"{key} {short(row[key])}" for key in ("id", "image_id", "category_id") if key in row)
    return f"entry {place} ({ids})" if ids else f"entry {place}"


def is_id(value: object) -> bool:
    return as_text(value) is not None


def is_box(value: object) -> bool:
    return type(value) is list and len(value) == 4 and all(map(is_number, value))
