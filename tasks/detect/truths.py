"""Reads an instances file for scoring: accepts whatever pycocotools scores, and reads the same numbers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.common.errors import UserError
from tasks.data.files.coco_annotations import read_crowds
from tasks.data.files.coco_boxes import read_boxes
from tasks.data.files.coco_lists import named
from tasks.data.files.coco_parse import parse
from tasks.data.files.ids import Ids, read_ids
from tasks.data.files.json_rows import as_number, column, rows
from tasks.detect.arrange import Integers, Truths

Row = Mapping[str, Any]


class TruthFile(NamedTuple):
    """The ground truth for scoring.

    Attributes:
        categories: (name, id) by ascending id.
        category_ids, image_ids: of the file.
        truths: its objects, without those of unlisted images and categories.
        stems: file name without suffix -> id, for messages.
        notes: lines on what was dropped or interpreted differently.
    """

    categories: list[tuple[str, int]]
    category_ids: Ids
    image_ids: Ids
    truths: Truths
    stems: Mapping[str, Any]
    notes: list[str]


def read_truths(path: Path) -> TruthFile:
    """Read an instances file for scoring: images need only an id.

    Raises:
        UserError: for a file that is not JSON or has no images or categories, or an object without a valid box.
    """
    content = parse(path)
    images, annotations, categories = (rows(content, key, path) for key in ("images", "annotations", "categories"))
    category_ids = read_ids(categories, "category", path, unique=False)
    image_ids = read_ids(images, "image", path, unique=False)
    notes = [f"{path.name}: {ids.note}" for ids in (category_ids, image_ids) if ids.note]

    again = last_of_each(annotations)
    if again is not None:
        notes.append(f"{path.name}: annotations share ids: as in pycocotools, the last one stands for all of an id")
        listed = listed_rows(annotations, image_ids, category_ids, path)
        annotations = [again[place] for place in listed]
    listed = listed_rows(annotations, image_ids, category_ids, path)
    if len(listed) < len(annotations):
        left = len(annotations) - len(listed)
        notes.append(f"{path.name}: {left} objects of images or categories that are not listed left out")
    annotations = [annotations[place] for place in listed]
    for row in annotations:
        if row.get("bbox") in (None, []):
            raise UserError(f"{path}: annotation {row.get('id')} lacks bbox")
    boxes = read_boxes(annotations, path)
    areas = np.array([np.nan if (area := as_number(row.get("area"))) is None else area for row in annotations], float)
    unique = {int(number): place for place, number in enumerate(category_ids.numbers)}
    names = named([categories[place] for place in unique.values()], Ids(np.array(list(unique), np.int64)), path)
    return TruthFile(
        names,
        category_ids,
        image_ids,
        Truths(
            image_ids.numbers[image_ids.places(column(annotations, "image_id", "annotation", path))],
            category_ids.numbers[category_ids.places(column(annotations, "category_id", "annotation", path))],
            boxes,
            np.where(np.isfinite(areas), areas, boxes[:, 2] * boxes[:, 3]),
            read_crowds(annotations, path),
        ),
        {Path(str(row["file_name"])).stem: row["id"] for row in images if "file_name" in row},
        notes,
    )


def listed_rows(annotations: Sequence[Row], images: Ids, categories: Ids, path: Path) -> Integers:
    """Positions of the annotations whose image and category are listed."""
    known = [
        ids.places(column(annotations, key, "annotation", path)) >= 0
        for key, ids in (("image_id", images), ("category_id", categories))
    ]
    return np.flatnonzero(known[0] & known[1])


def last_of_each(annotations: Sequence[Row]) -> list[Row] | None:
    """For each annotation the last one with its id, which is the one pycocotools uses; None if all ids differ."""
    last = {str(row["id"]): row for row in annotations if "id" in row}
    if len(last) == sum("id" in row for row in annotations):
        return None
    return [last[str(row["id"])] if "id" in row else row for row in annotations]
