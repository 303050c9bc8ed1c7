"""Cityscapes' polygons files drawn as the ids of its instanceIds files."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.common.errors import UserError
from tasks.data.files.json_rows import read_json
from tasks.data.files.opening import MAX_PIXELS

FARTHEST = 1e6  # pixels: NaN and infinity are farther
GROUP = "group"  # suffix of a label: one polygon around several objects
OUTSIDE = "license plate"  # the only label that the official script does not draw


def draw_ids(path: Path, label_ids: Mapping[str, int], objects: int) -> NDArray[np.integer]:
    """(H, W) int32 ids of a polygons file: later polygons cover earlier ones, as the official script draws them.

    Args:
        path: JSON with imgHeight, imgWidth, and objects of a label and a polygon [[x, y], …].
        label_ids: of the labels whose objects are separated; all others only cover them.
        objects: an object's id is its label id · objects + its number; a group's is its label id.

    Raises:
        UserError: for a file that cannot be read, or has other content.
    """
    content = read_json(path)
    try:
        width, height = int(content["imgWidth"]), int(content["imgHeight"])
        if not 0 < width * height <= MAX_PIXELS or width < 1:
            raise ValueError(f"the image has {width}×{height} pixels; there may be 1 to {MAX_PIXELS:,}")
        canvas = Image.new("I", (width, height))
        draw, seen = ImageDraw.Draw(canvas), Counter[str]()
        for entry in content["objects"]:
            if entry["label"] == OUTSIDE or entry.get("deleted"):
                continue
            corners = [(float(x), float(y)) for x, y in entry["polygon"]]
            if not all(abs(value) < FARTHEST for corner in corners for value in corner):
                raise ValueError(f"a corner of {entry['label']} is nowhere near the image")
            draw.polygon(corners, fill=own_id(entry, label_ids, objects, seen))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        told = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"cannot read polygons {path}: {told}") from error
    return np.asarray(canvas, np.int32)


def own_id(entry: Mapping[str, Any], label_ids: Mapping[str, int], objects: int, seen: Counter[str]) -> int:
    """The id of one polygon's pixels; 0 if its label's objects are not separated."""
    label = str(entry["label"])
    if label in label_ids:
        seen[label] += 1
        return label_ids[label] * objects + seen[label] - 1
    return label_ids.get(label.removesuffix(GROUP), 0)
