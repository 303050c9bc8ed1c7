"""Truths and detections of a data set as packed arrays, in the order in which COCO's evaluation counts them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIMIT = 100  # detections per category and image; those with lower scores are ignored


class Truths(NamedTuple):
    """The G annotated objects of a data set, in the order of its file.

    Attributes:
        image, category: (G) ids as in the file.
        boxes: (G, 4) x, y, width, height.
        areas: (G) of the objects, which decide what is small, medium or large.
        crowd: (G) whether it is a group: finding it, once or several times, is neither right nor wrong.
    """

    image: Integers
    category: Integers
    boxes: Floats
    areas: Floats
    crowd: Flags


class Found(NamedTuple):
    """D detections in the order of a results file: for equal scores the earlier one counts first.

    Attributes:
        image, category: (D) ids as in the data set's file.
        boxes: (D, 4) x, y, width, height.
        scores: (D).
    """

    image: Integers
    category: Integers
    boxes: Floats
    scores: Floats


class Arranged(NamedTuple):
    """Truths by category and image; detections by category, falling score and image, the order of a curve.

    Attributes:
        truths, found: as above, with numbers instead of ids: positions among the sorted images and categories.
        rank: (D) of a detection within its group, the detections of one category in one image; 0 has the highest score.
        truth_group, found_group: (G), (D) category number x images + image number. The truths' are ascending.
    """

    truths: Truths
    found: Found
    rank: Integers
    truth_group: Integers
    found_group: Integers


def arrange(truths: Truths, found: Found, images: Integers, categories: Integers) -> Arranged:
    """Sort and number; images and categories are all evaluated ids, ascending and unique.

    Anything of another image or category is dropped, and so are detections of rank 100 and above.
    """
    image, category, rows = numbers(truths.image, truths.category, images, categories)
    order = in_groups(image, category, len(images), len(categories))
    image, category, rows = image[order], category[order], rows[order]
    truth_group = category * len(images) + image
    truths = Truths(image, category, truths.boxes[rows], truths.areas[rows], truths.crowd[rows])

    image, category, rows = numbers(found.image, found.category, images, categories)
    order = stable_order(image, len(images))
    order = order[np.argsort(-found.scores[rows[order]], kind="stable")]
    order = order[stable_order(category[order], len(categories))]
    image, category, rows = image[order], category[order], rows[order]
    found_group = category * len(images) + image
    rank = ranks(found_group, in_groups(image, category, len(images), len(categories)))

    kept = np.flatnonzero(rank < LIMIT)
    rows = rows[kept]
    found = Found(image[kept], category[kept], found.boxes[rows], found.scores[rows])
    return Arranged(truths, found, rank[kept], truth_group, found_group[kept])


def numbers(
    image: Integers, category: Integers, images: Integers, categories: Integers
) -> tuple[Integers, Integers, Integers]:
    """Positions of the ids among the evaluated ones, and the rows for which both exist."""
    rows = np.flatnonzero(np.isin(image, images) & np.isin(category, categories))
    return np.searchsorted(images, image[rows]), np.searchsorted(categories, category[rows]), rows


def stable_order(values: Integers, count: int) -> Integers:
    """Order that sorts values below `count`. Up to 16 bits numpy uses radix sort, ten times as fast."""
    return np.argsort(values.astype(np.min_scalar_type(count)), kind="stable")


def in_groups(image: Integers, category: Integers, images: int, categories: int) -> Integers:
    """Order that sorts by category, then image, and keeps the order within a group."""
    order = stable_order(image, images)
    return order[stable_order(category[order], categories)]


def ranks(group: Integers, order: Integers) -> Integers:
    """(D) number of earlier detections in the same group; `order` sorts the groups stably."""
    ascending = group[order]
    rank = np.empty_like(group)
    rank[order] = np.arange(len(group)) - np.searchsorted(ascending, ascending)
    return rank
