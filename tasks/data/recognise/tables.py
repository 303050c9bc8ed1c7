"""A table of image files and labels: one label, several in a cell, or a column of 0 and 1 for each class."""

import csv
from typing import Any

from tasks.data.datasets.table import SPLITS
from tasks.data.datasets.table_columns import FILES, LABELS, obvious, separated, switches_of
from tasks.data.files.csv_table import CsvTable
from tasks.data.files.slashes import normal
from tasks.data.recognise.listing import HEAD, ROLES, Listing, join, low
from tasks.data.recognise.reading import DRAWN, Reading, listed

BOXES = {"xmin", "x_min", "x1", "bbox", "xmax"}
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
    text = listing.head(path)
    rows = rows_of(text)
    rows = rows[:-1] if len(text.encode()) >= HEAD else rows  # the last one may be cut off
    if len(rows) < 2:
        return None
    header = [name.strip() for name in rows[0]]
    cells = [[cell.strip() for cell in row] for row in rows[1:] if len(row) == len(header)]
    plain = {low(name).replace(" ", "_") for name in header}
    table = CsvTable(listing.root / path, header, cells, [*range(2, len(cells) + 2)])
    if BOXES & plain or "pixel_value" in plain or not cells or (file := obvious(table, FILES, [])) is None:
        return None
    images = folder_of(listing, path, table.column(file)[:20])
    if images is None:
        return None
    keys: dict[str, Any] = {"root": listing.root, "table": path, "images": images or ".", "file": file}
    split = obvious(table, SPLITS, [file])
    if (label := obvious(table, LABELS, [file, split])) is not None:
        keys["label"], kinds = label, {"label"}
        texts = table.column(label)
        separator = separated(texts)[1]
        if separator:
            keys, kinds = keys | {"separator": separator}, {"multilabel"}
        names = sorted({name for text in texts for name in (text.split(separator) if separator else [text])})
        fact = f"several labels in a cell of {label}" if separator else f"a label in {label}"
    else:
        names = switches_of(table, [name for name in header if name not in (file, split)])
        if len(names) < 2:
            return None
        keys["labels"] = names
        places = [header.index(name) for name in names]
        single = all(sum(row[place] in ("1", "1.0") for place in places) == 1 for row in cells)
        kinds, fact = {"label", "multilabel"} if single else {"multilabel"}, "a column of 0 and 1 for each class"
    roles = (
        {ROLES[low(value)]: value for value in table.column(split) if low(value) in ROLES} if split and not val else {}
    )
    if "train" in roles and "val" in roles:
        keys |= {"split": split, "train_split": roles["train"], "val_split": roles["val"]}
        said = f"scored where {split} is {roles['val']}"
    elif val:
        said = f"scored on {val}"
        keys |= {"val.table": val, "val.images": folder_of(listing, val, []) or val.rpartition("/")[0] or images or "."}
    else:
        keys |= DRAWN
        said = "no validation images: a fifth is drawn"
    facts = [path, fact, said, listed(names)]
    return Reading("a table of labels", "table", keys, frozenset(kinds), facts)


def rows_of(text: str) -> list[list[str]]:
    """Rows of the beginning of a table, by the delimiter that its first line has most often."""
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    return [row for row in csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True) if row]


def folder_of(listing: Listing, path: str, names: list[str]) -> str | None:
    """The folder in which the named images lie, with or without suffix; '' if they lie in several ones below the root;
    None if there is none."""
    names = [normal(name.replace("\\", "/")) for name in names]
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
    every = {
        end for place in listing.files for name in listing.images(place) for end in (name, name.rpartition(".")[0])
    }
    return "" if sum(name.rpartition("/")[2] in every for name in names) > len(names) / 2 else None
