"""A table of image files and labels: one label, several in a cell, or a column of 0 and 1 for each class."""

import csv
from typing import Any

from tasks.data.recognise.listing import ROLES, Listing, join, low
from tasks.data.recognise.reading import DRAWN, Reading, listed

FILES = ("file", "filename", "image", "img", "image_name", "imagename", "image_path", "path", "filepath", "image_id",
         "imageid", "img_id", "id", "name")  # fmt: skip
LABELS = ("label", "labels", "class", "class_name", "category", "target", "tags", "tag", "species", "breed")
BOXES = {"xmin", "x_min", "x1", "bbox", "xmax"}
SEPARATORS = ("|", ";", ",", " ")
DELIMITERS = (",", ";", "\t")


def find(listing: Listing) -> list[Reading]:
    """Tables in a folder, or one in each split's folder (Roboflow's _classes.csv)."""
    paths = [path for path in listing.every(".csv", ".tsv", depth=1) if path.rpartition("/")[2] != "class_dict.csv"]
    tops = [path for path in paths if "/" not in path]
    splits = listing.splits()
    if "train" in splits and (own := [path for path in paths if path.startswith(f"{splits['train']}/")]):
        val = [path for path in paths if "val" in splits and path.startswith(f"{splits['val']}/")]
        return [found for path in own if (found := reading(listing, path, val[0] if val else "")) is not None]
    by_role = {ROLES[low(path.rpartition(".")[0])]: path for path in tops if low(path.rpartition(".")[0]) in ROLES}
    if "train" in by_role:
        found = reading(listing, by_role["train"], by_role.get("val", ""))
        return [found] if found is not None else []
    return [found for path in tops if (found := reading(listing, path, "")) is not None]


def reading(listing: Listing, path: str, val: str) -> Reading | None:
    """The reading of a table, with a table of validation images or with a share drawn; None if it is no such table."""
    rows = rows_of(listing.head(path))
    if len(rows) < 3:
        return None
    header, cells = [name.strip() for name in rows[0]], [row for row in rows[1:-1] if len(row) == len(rows[0])]
    plain = [low(name).replace(" ", "_") for name in header]
    if BOXES & {*plain} or "pixel_value" in plain or not cells:
        return None
    file = next((plain.index(name) for name in FILES if name in plain), None)
    if file is None:
        return None
    images = folder_of(listing, path, [row[file] for row in cells[:20]])
    if images is None:
        return None
    keys: dict[str, Any] = {"root": listing.root, "table": path, "images": images or ".", "file": header[file]}
    label = next((plain.index(name) for name in LABELS if name in plain and plain.index(name) != file), None)
    kinds = {"label"}
    if label is not None:
        keys["label"] = header[label]
        texts = [row[label] for row in cells]
        separator = separator_of(texts)
        if separator:
            keys, kinds = keys | {"separator": separator}, {"multilabel"}
        names = sorted({name for text in texts for name in (text.split(separator) if separator else [text])})
        fact = f"several labels in a cell of {header[label]}" if separator else f"a label in {header[label]}"
    else:
        columns = [k for k in range(len(header)) if k != file and {row[k].strip() for row in cells} <= {"0", "1"}]
        if len(columns) < 2:
            return None
        names = [header[k] for k in columns]
        keys["labels"] = names
        single = all(sum(row[k].strip() == "1" for k in columns) == 1 for row in cells)
        kinds, fact = {"label", "multilabel"} if single else {"multilabel"}, "a column of 0 and 1 for each class"
    if val:
        keys |= {"val.table": val, "val.images": folder_of(listing, val, []) or val.rpartition("/")[0] or images or "."}
    else:
        keys |= DRAWN
    split = f"scored on {val}" if val else "no validation images: a fifth is drawn"
    facts = [path, fact, split, listed(names)]
    return Reading("a table of labels", "table", keys, frozenset(kinds), facts)


def rows_of(text: str) -> list[list[str]]:
    """Rows of the beginning of a table, by the delimiter that its first line has most often."""
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    return [row for row in csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True) if row]


def folder_of(listing: Listing, path: str, names: list[str]) -> str | None:
    """The folder in which the named images lie, with or without suffix; None if there is none."""
    beside = path.rpartition("/")[0]
    stem = path.rpartition("/")[2].rpartition(".")[0]
    for folder in (beside, join(beside, "images"), join(beside, stem), *listing.folders):
        there = {*listing.images(folder)}
        bare = {name.rpartition(".")[0] for name in there}
        if not names:
            return folder if there else None
        if names and sum(name in there or name in bare for name in names) > len(names) / 2:
            return folder
        inner = (join(folder, name).rpartition("/") for name in names)
        if sum(name in listing.files.get(place, []) for place, _, name in inner) > len(names) / 2:
            return folder
    return None


def separator_of(texts: list[str]) -> str:
    """What separates several labels of a cell; '' if a cell seems to be one label."""
    for sign in SEPARATORS[:3]:
        if any(sign in text for text in texts):
            return sign
    cells = set(texts)
    words = {word for text in cells for word in text.split()}
    return " " if any(" " in text for text in cells) and len(words) < len(cells) else ""
