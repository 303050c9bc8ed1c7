"""The lists of COCO's format beside its annotations: names of the categories and sizes of the images."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import HOLE
from tasks.common.errors import UserError
from tasks.data.files.ids import Ids
from tasks.data.files.json_rows import Row, entry, numbers, texts


def named(categories: Sequence[Row], ids: Ids, path: Path) -> list[tuple[str, int]]:
    """(name, id) of the categories by ascending id; the name defaults to the id."""
    complete = [row if "name" in row else {**row, "name": row["id"]} for row in categories]
    names = texts(complete, "name", "category", path)
    return distinct([(names[place], int(ids.numbers[place])) for place in np.argsort(ids.numbers)])


def distinct(categories: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """(name, id) of categories, with the id appended to names that are not unique or that mark a gap between ids.

    Tables and metrics use names as keys.
    """
    times = Counter(name for name, _ in categories)
    return [(f"{name} ({number})" if times[name] > 1 or name == HOLE else name, number) for name, number in categories]


def read_sizes(images: Sequence[Row], path: Path) -> NDArray[np.int64]:
    """(N, 2) heights and widths; 0 if an image has neither."""
    complete = [row if "height" in row or "width" in row else {**row, "height": -1, "width": -1} for row in images]
    sizes = np.stack([numbers(complete, key, "image", path) for key in ("height", "width")], 1)
    absent = np.array([row is not old for row, old in zip(complete, images, strict=True)], np.bool_)
    for place in np.flatnonzero((sizes < 1).any(1) & ~absent)[:1]:
        name = entry("image", images[place], int(place))
        raise UserError(f"{path}: {name} has width {sizes[place, 1]} and height {sizes[place, 0]}")
    return np.where(absent[:, None], 0, sizes)
