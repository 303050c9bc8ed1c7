"""Truths and detections of a data set as packed arrays, and in the order in which COCO's evaluation counts them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

LIMIT = 100  # detections of one category in one image: those of lower score are not looked at


class Truths(NamedTuple):
    """The G annotated objects of a data set, in the order of its file.

    Attributes:
        image, category: (G) ids as in the file.
        boxes: (G, 4) x, y, width, height.
        areas: (G) of the objects, which decide what is small, medium or large.
        crowd: (G) whether it is a group: finding it, once or often, is neither right nor wrong.
    """

    image: Integers
    category: Integers
    boxes: Floats
    areas: Floats
    crowd: Flags


class Found(NamedTuple):
    """D detections in the order in which a results file lists them: of equal scores the earlier one counts first.

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
    """Truths by category and image; detections by category, falling score and image, as a curve runs through them.

    Attributes:
        truths, found: as above, with numbers instead of ids: places among the sorted images and categories.
        rank: (D) of a detection within its group, the detections of one category in one image; 0 has the highest score.
        truth_group, found_group: (G), (D) category number x images + image number. The truths' ascend.
    """

    truths: Truths
    found: Found
    rank: Integers
    truth_group: Integers
    found_group: Integers


def arrange(truths: Truths, found: Found, images: Integers, categories: Integers) -> Arranged:
    """Sort and number; images and categories are all evaluated ids, ascending, each once.

    What belongs to another image or category is left out, and so is a detection of rank 100 and more.
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
    """Places of the ids among the evaluated ones, and the rows that have both."""
    rows = np.flatnonzero(np.isin(image, images) & np.isin(category, categories))
    return np.searchsorted(images, image[rows]), np.searchsorted(categories, category[rows]), rows


def stable_order(values: Integers, count: int) -> Integers:
    """What sorts values below count. In 16 bits or fewer numpy sorts by digits, ten times as fast."""
    return np.argsort(values.astype(np.min_scalar_type(count)), kind="stable")


def in_groups(image: Integers, category: Integers, images: int, categories: int) -> Integers:
    """What sorts by category, then image, and leaves the order within a group."""
    order = stable_order(image, images)
    return order[stable_order(category[order], categories)]


def ranks(group: Integers, order: Integers) -> Integers:
    """(D) how many detections of the same group stand before each; `order` sorts the groups and keeps them in order."""
    ascending = group[order]
    rank = np.empty_like(group)
    rank[order] = np.arange(len(group)) - np.searchsorted(ascending, ascending)
    return rank
