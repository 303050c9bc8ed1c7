"""Images of YOLO's format with their label files."""

import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tasks.common.errors import UserError
from tasks.data.files.cache import cached
from tasks.data.files.listings import Listings, Stamp
from tasks.data.files.yolo_labels import Objects, read_objects
from tasks.data.files.yolo_rows import Format

NONE = ("", -1, 0)  # stamp of an image's label file that does not exist


class Labelled(NamedTuple):
    """The objects of a split's images.

    Attributes:
        labels: path of each image's label file; "" if there is none.
        notes: lines to print.
    """

    labels: list[str]
    objects: Objects
    notes: list[str]


def replaced(images: str, labels: str) -> Callable[[str], str]:
    """Rule for the path of an image's labels: the last folder of one name becomes one of another."""

    def path(image: str) -> str:
        head, found, tail = image.rpartition(f"/{images}/")
        return as_text(f"{head}/{labels}/{tail}" if found else image)

    return path


def as_text(image: str) -> str:
    """A path with the suffix .txt."""
    return image[: image.rfind(".")] + ".txt"


RULES = (  # the first that finds any label file of a split: Ultralytics', beside the images, through links, Darknet's
    replaced("images", "labels"),
    as_text,
    lambda image: replaced("images", "labels")(os.path.realpath(image)),
    replaced("JPEGImages", "labels"),
)


def label_files(images: Sequence[Stamp], listings: Listings, what: str) -> list[Stamp]:
    """Stamps of the images' label files; NONE for an image without.

    Raises:
        UserError: if no image has one.
    """
    for rule in RULES:
        found = [listings.stamp(rule(image)) for image, _, _ in images]
        if any(found):
            return [NONE if stamp is None else stamp for stamp in found]
    first = images[0][0]
    places = dict.fromkeys(rule(first) for rule in RULES[:2])
    raise UserError(
        f"{what}: none of {len(images)} images has a label file: {first} should have {' or '.join(places)} "
        "(empty for an image without objects)"
    )


def read_labelled(images: Sequence[Stamp], form: Format, listings: Listings, what: str) -> Labelled:
    """The objects of images, from the cache if nothing changed.

    Args:
        images: their stamps.
        what: names the split, for messages.

    Raises:
        UserError: if no image has a label file, or for a row that is none.
    """
    stamps = label_files(images, listings, what)
    paths = [path for path, _, _ in stamps]
    objects = Objects(**cached(f"yolo 1 {form}", stamps, lambda: read_objects(paths, form)._asdict()))
    notes = []
    if missing := sum(not path for path in paths):
        first = images[paths.index("")][0]
        notes.append(
            f"{what}: {missing} of {len(paths)} images have no label file, so no object ({first}{dots(missing)})"
        )
    if len(objects.repeated):
        files = np.unique(objects.repeated)
        first = paths[files[0]]
        notes.append(
            f"{what}: {len(objects.repeated)} rows equal an earlier one of their file and are left out "
            f"({first}{dots(len(files))})"
        )
    return Labelled(paths, objects, notes)


def dots(count: int) -> str:
    """What follows the first of several in parentheses."""
    return ", …" if count > 1 else ""
