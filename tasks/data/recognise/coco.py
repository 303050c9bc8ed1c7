"""COCO's JSON: a file for each split, or one for all; the official set, Roboflow's and CVAT's exports."""

import json
import mmap
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.data.recognise.listing import ROLES, Listing, join
from tasks.data.recognise.reading import DRAWN, Reading, listed

LISTS = re.compile(r'\s*\{(\s*"annotations"|.*"(images|categories)")\s*:\s*\[', re.DOTALL)
FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
CATEGORIES = re.compile(rb'"categories"\s*:\s*\[')
OF_ANNOTATION = re.compile(rb'"category_id"\s*:\s*"?(-?\d+)')
OUTLINE = re.compile(rb'"segmentation"\s*:\s*(\[\s*\[\s*-?\d|\{)')
BOX = re.compile(rb'"bbox"\s*:\s*\[\s*-?\d')
LONGEST = 1 << 24  # bytes of a list of categories
OFFICIAL = ("annotations/instances_train2017.json", "annotations/instances_val2017.json")
CLASSES = (80, "person", "toothbrush")  # of the official set: how many, the first and the last
OTHERS = ("captions_", "person_keypoints_", "image_info_", "stuff_", "panoptic_")


class Instances(NamedTuple):
    """What an instance file holds.

    Attributes:
        first: the first image's file name.
        empty: names of categories without annotation.
        phantom: whether one of them is Roboflow's category 0, the name of the whole set.
    """

    path: str
    images: int
    first: str
    names: list[str]
    empty: list[str]
    phantom: bool
    boxes: int
    outlines: int


def find(listing: Listing) -> list[Reading]:
    """Instance files in a folder or in those of the next two levels, by the splits in their names."""
    paths = [path for path in listing.every(".json", depth=2) if is_instances(path, listing.head(path))]
    paths = [path for path in paths if "/instances_" in f"/{path}"] or paths
    if {*OFFICIAL} <= {*paths} and has_official_classes(listing.root / OFFICIAL[1]):
        keys = {"root": listing.root, "train_split": "train2017", "val_split": "val2017"}
        return [
            Reading("COCO", "coco", keys, frozenset({"boxes", "mask"}), ["train2017 and val2017 of the official set"])
        ]
    by_role: dict[str, list[str]] = {}
    for path in paths:
        by_role.setdefault(role_of(path), []).append(path)
    test, vals = by_role.get("test", []), by_role.get("val", [""])
    if "train" in by_role:
        return [reading(listing, train, val, test) for train in by_role["train"] for val in vals]
    return [reading(listing, path, "", []) for path in by_role.get("", [])]


def is_instances(path: str, head: str) -> bool:
    """Whether a file begins like COCO's instances."""
    name = path.rpartition("/")[2]
    return not name.startswith(OTHERS) and LISTS.match(head) is not None and '"shapes"' not in head[:2000]


def role_of(path: str) -> str:
    """train, val, test or '': the split in a file's name or its folder's."""
    for name in reversed(path.rsplit("/", 2)):
        found = {ROLES[word] for word in re.findall(r"[a-z]+", name.lower()) if word in ROLES}
        if len(found) == 1:
            return found.pop()
    return ""


def reading(listing: Listing, train: str, val: str, test: Sequence[str]) -> Reading:
    """The reading of a training file, with a validation file or validation images drawn."""
    read = [look(listing, path) for path in (train, val) if path]
    keys: dict[str, Any] = {}
    for split, one in zip(("train", "val"), read, strict=False):
        keys |= {f"{split}.images": folder_of(listing, one), f"{split}.annotations": listing.root / one.path}
    keys |= {} if val else DRAWN
    facts = [f"{one.path}: {one.images:,} images, {one.boxes or one.outlines:,} objects" for one in read]
    facts += [] if val else ["no validation images: a fifth is drawn"]
    facts += [f"{', '.join(test)} not used"] if test else []
    if read[0].phantom:
        keys["drop_empty"] = True
        facts.append(f"category {', '.join(read[0].empty)} has no annotation and is left out")
    names = [name for name in read[0].names if not (read[0].phantom and name in read[0].empty)]
    outlines = all(one.outlines for one in read)
    kinds = frozenset({"boxes", "mask"} if outlines else {"boxes"})
    facts += ["outlines" if outlines and not read[0].boxes else "boxes and outlines" if outlines else "boxes"]
    return Reading("COCO's JSON", "coco_json", keys, kinds, [*facts, listed(names)])


def look(listing: Listing, path: str) -> Instances:
    """What a file holds, found without parsing all of it."""
    place = listing.root / path
    with place.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        named = FILE_NAME.search(text)
        first = str(json.loads(named[1])) if named else ""
        rows = categories_in(text)
        used = {int(number[1]) for number in OF_ANNOTATION.finditer(text)}
        counts = [sum(1 for _ in pattern.finditer(text)) for pattern in (FILE_NAME, BOX, OUTLINE)]
    empty = [row for row in rows if str(row["id"]).isdigit() and int(row["id"]) not in used]
    above = {row.get("supercategory") for row in rows if row not in empty}
    phantom = len(empty) == 1 and empty[0].get("supercategory") == "none" and above == {empty[0].get("name")}
    return Instances(
        path,
        counts[0],
        first,
        [str(row.get("name")) for row in rows],
        [str(row.get("name")) for row in empty],
        phantom,
        *counts[1:],
    )


def categories_in(text: mmap.mmap) -> list[dict[str, Any]]:
    """The categories of a file, found without parsing all of it."""
    found = CATEGORIES.search(text)
    if found is None:
        return []
    start = found.end() - 1
    try:
        rows = json.JSONDecoder().raw_decode(text[start : start + LONGEST].decode("utf-8", "replace"))[0]
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, dict) and "id" in row]


def has_official_classes(path: Path) -> bool:
    """Whether a file in COCO's own folders has COCO's classes, which COCO's recipe is for; not classes of one's own."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        names = [str(row.get("name")) for row in categories_in(text)]
    return len(names) > 0 and (len(names), names[0], names[-1]) == CLASSES


def folder_of(listing: Listing, found: Instances) -> Any:
    """The folder below which the first image of a file lies; that of the file if there is none."""
    place = found.path.rpartition("/")[0]
    name = found.first.replace("\\", "/").removeprefix("./")
    stem = found.path.rpartition("/")[2].removesuffix(".json").removeprefix("instances_")
    role = role_of(found.path)
    words = [stem, *(word for word, known in ROLES.items() if known == role)]
    usual = [*(f"images/{word}" for word in words), *words, "images", ""]
    for folder in (join(place, "images"), place, *usual, *listing.files):
        below = f"{folder}/{name}".rpartition("/")
        if below[2] in listing.files.get(below[0].removeprefix("/").rstrip("/"), []):
            return listing.root / folder
    return listing.root / place
