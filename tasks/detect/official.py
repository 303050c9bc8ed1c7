"""The same scores from the official script, pycocotools' COCOeval."""

import contextlib
import io
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tasks.detect.arrange import Found, Integers, Truths
from tasks.detect.coco_map import PRECISIONS, RECALLED, Result

Rows = list[dict[str, Any]]


def evaluate_officially(truths: Truths, found: Found, images: Integers, categories: Integers) -> Result:
    """The result of `coco_map.evaluate`, computed by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        return score(*(index(rows, images, categories) for rows in (truth_rows(truths), found_rows(found))))


def score(truths: COCO, found: COCO) -> Result:
    """Run the script as in its manual; it prints."""
    evaluation = COCOeval(truths, found, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    numbers = {
        name: None if value == -1 else float(value)
        for name, value in zip((*PRECISIONS, *RECALLED), evaluation.stats, strict=True)
    }
    return Result(np.array(evaluation.params.catIds), evaluation.eval["precision"], evaluation.eval["recall"], numbers)


def index(rows: Rows, images: Integers, categories: Integers) -> COCO:
    """Annotations or results in pycocotools' representation."""
    coco = COCO()
    coco.dataset = {
        "images": [{"id": image} for image in images.tolist()],
        "categories": [{"id": category, "name": str(category)} for category in categories.tolist()],
        "annotations": rows,
    }
    coco.createIndex()
    return coco


def truth_rows(truths: Truths) -> Rows:
    """Annotations, numbered from 1: pycocotools treats an object with number 0 as not found."""
    columns = (column.tolist() for column in truths)
    return [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": area, "iscrowd": int(crowd)}
        for number, (image, category, box, area, crowd) in enumerate(zip(*columns, strict=True), 1)
    ]


def found_rows(found: Found) -> Rows:
    """Results with the keys that pycocotools adds to them."""
    columns = (column.tolist() for column in found)
    return [
        {"id": number, "image_id": image, "category_id": category, "bbox": box, "score": value, "iscrowd": 0}
        | {"area": box[2] * box[3]}
        for number, (image, category, box, value) in enumerate(zip(*columns, strict=True), 1)
    ]
