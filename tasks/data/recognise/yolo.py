"""YOLO: a text file for each image, described by data.yaml, obj.data or classes.txt."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.data.files.image_lists import images_of
from tasks.data.files.listings import Listings
from tasks.data.files.split_names import VAL
from tasks.data.files.yolo_yaml import LISTS, Description, describe
from tasks.data.recognise.listing import Listing, join, sample
from tasks.data.recognise.reading import DRAWN, Reading, listed

ROW = re.compile(r"\s*\d+(\.0*)?((\s+-?\d*\.?\d+([eE][-+]?\d+)?){4,})\s*")
KEYS_OF_YAML = re.compile(r"^(train|val|names)\s*:", re.MULTILINE)


def find(listing: Listing) -> list[Reading]:
    """A folder with a description of YOLO's, or with label files of its form."""
    described = [
        name
        for name in listing.with_suffix("", ".yaml", ".yml", ".data")
        if len(set(KEYS_OF_YAML.findall(listing.head(name)))) > 1 or "names" in listing.head(name)
    ]
    widths = Counter(width for path in labels_of(listing) for width in row_widths(listing.head(path)))
    if not widths and not described:
        return []
    if not described and not any(name in LISTS for names in listing.files.values() for name in names):
        fact = "label files of `class cx cy w h`, but no data.yaml or classes.txt with the names of the classes"
        return [Reading("YOLO", "yolo", {"root": listing.root}, frozenset({"boxes"}), [fact])]
    outlines = sum(count for width, count in widths.items() if width >= 7 and width % 2)
    kinds = frozenset({"boxes", "mask"} if outlines and outlines == widths.total() else {"boxes"})
    form = "outlines" if "mask" in kinds else "boxes"
    try:
        said = describe(listing.root / described[0] if len(described) == 1 else listing.root)
    except UserError as error:
        return [Reading("YOLO", "yolo", {"root": listing.root}, kinds, [str(error)])]
    keys: dict[str, Any] = {"data": said.source} if described else {"root": listing.root}
    counts = counts_of(said)
    keys["train_split"] = "train"
    val = next((name for name in VAL if counts.get(name)), None)
    keys |= {"val_split": val} if val else DRAWN
    parts = [f"{split}: {count:,} images" for split, count in counts.items()]
    parts += [f"{split} is named, but not there" for split in VAL if said.splits.get(split) and not counts.get(split)]
    parts += [] if val else ["no validation images: a fifth is drawn"]
    return [Reading(f"YOLO ({said.source.name})", "yolo", keys, kinds, [", ".join(parts), form, listed(said.names)])]


def labels_of(listing: Listing) -> list[str]:
    """Some text files that have the name of an image or lie in a folder called labels."""
    found: list[str] = []
    for folder in listing.files:
        names = listing.with_suffix(folder, ".txt")
        if not names:
            continue
        stems = {name.rpartition(".")[0] for name in listing.images(folder)}
        if "labels" in folder.lower().split("/"):
            found += [join(folder, name) for name in sample(names)]
        else:
            found += [join(folder, name) for name in sample([name for name in names if name[:-4] in stems])]
    return sample(found)


def row_widths(text: str) -> list[int]:
    """Numbers in each row of a label file; [] if a row has another form."""
    rows = [line for line in text.splitlines() if line.strip()]
    return [len(row.split()) for row in rows] if all(map(ROW.fullmatch, rows)) else []


def counts_of(said: Description) -> dict[str, int]:
    """Number of images of each named split that exists."""
    found: dict[str, int] = {}
    for split, parts in said.splits.items():
        try:
            found[split] = len(images_of(parts, said.folders, Listings(), f"{Path(said.source).name}: {split}").stamps)
        except UserError:
            continue
    return found
