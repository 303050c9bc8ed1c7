"""Cityscapes' polygons files drawn as the ids of its instanceIds files."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.errors import UserError

GROUP = "group"  # behind a label's name: one polygon around several objects
OUTSIDE = "license plate"  # the one label that the official script draws nothing for


def draw_ids(path: Path, label_ids: Mapping[str, int], objects: int) -> NDArray[np.integer]:
    """(H, W) int32 ids of a polygons file: later polygons cover earlier ones, as the official script draws them.

    Args:
        path: JSON with imgHeight, imgWidth, and objects of a label and a polygon [[x, y], …].
        label_ids: of the labels whose objects are told apart; all others only cover them.
        objects: an object's id is its label's id · objects + its number; a group's is its label's.

    Raises:
        UserError: for a file that cannot be read, or that has anything else in it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        canvas = Image.new("I", (int(content["imgWidth"]), int(content["imgHeight"])))
        draw, seen = ImageDraw.Draw(canvas), Counter[str]()
        for entry in content["objects"]:
            if entry["label"] == OUTSIDE or entry.get("deleted"):
                continue
            draw.polygon(
                [(float(x), float(y)) for x, y in entry["polygon"]], fill=own_id(entry, label_ids, objects, seen)
            )
    except (OSError, ValueError, TypeError, KeyError) as error:
        told = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise UserError(f"cannot read polygons {path}: {told}") from error
    return np.asarray(canvas, np.int32)


def own_id(entry: Mapping[str, Any], label_ids: Mapping[str, int], objects: int, seen: Counter[str]) -> int:
    """The id of one polygon's pixels; 0 where its label is none of those whose objects are told apart."""
    label = str(entry["label"])
    if label in label_ids:
        seen[label] += 1
        return label_ids[label] * objects + seen[label] - 1
    return label_ids.get(label.removesuffix(GROUP), 0)
