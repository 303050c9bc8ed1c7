"""Which columns of a table have the images' files and their labels."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.csv_table import CsvTable
from tasks.data.files.walk import is_image

FILES = (
    *("file", "filename", "image", "img", "imagefile", "imagename", "imagepath", "path", "filepath", "imgpath"),
    *("imageid", "imgid", "imageindex", "idcode", "id", "name"),
)
LABELS = (
    *("label", "labels", "class", "classname", "labelname", "category", "target", "tags", "tag"),
    *("species", "breed", "findinglabels", "diagnosis"),
)
SWITCHES = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
SIGNS = {"-1": 0, "1": 1, "-1.0": 0, "1.0": 1}  # of a table that has no 0
SEPARATORS = ("|", ";", ",")


class Columns(NamedTuple):
    """Names of columns.

    Attributes:
        file: of the images' files.
        label: of their labels, None if each class has a column.
        classes: of the classes, each 0 or 1.
        separator: between labels of one cell; None if a cell is one label.
    """

    file: str
    label: str | None
    classes: tuple[str, ...]
    separator: str | None


def find_columns(
    table: CsvTable, file: str | None, label: str | None, labels: Sequence[str] | None, separator: str | None
) -> tuple[Columns, str]:
    """The columns that were named, and for the others those with an obvious name; also a line about the latter, or ''.

    Raises:
        UserError: for a column that is not there or not obvious, and keys that exclude each other.
    """
    if label is not None and labels is not None:
        raise UserError(f"dataset.label={label} and dataset.labels={[*labels]}: only one of them can be")
    if labels is not None and separator:
        raise UserError(
            f"dataset.separator={separator!r} is for dataset.label, one column; dataset.labels names columns"
        )
    for name in (file, label, *(labels or ())):
        if name is not None:
            table.column(name)
    guessed = []
    if any(map(is_image, table.columns)):
        raise UserError(
            f"row 1 of {table.path} must name the columns, such as file,label; it has {listed(table.columns)}"
        )
    if file is None:
        file = obvious(table, FILES, [label, *(labels or ())])
        if file is None:
            raise UserError(f"which column of {table.path} has the files? dataset.file={' | '.join(table.columns)}")
        guessed.append(f"files in column {file}")
    if label is None and labels is None:
        label = obvious(table, LABELS, [file])
        others = [name for name in table.columns if name != file]
        if label is not None:
            guessed.append(f"labels in {label}")
        elif len(switches := switches_of(table, others)) > 1:
            labels = switches
            unread = [name or "one without a name" for name in others if name not in switches]
            guessed.append(f"a class in each of {listed(switches)}{'; not read: ' * bool(unread)}{listed(unread)}")
        else:
            raise UserError(
                f"which column of {table.path} has the labels? dataset.label={' | '.join(others)}, or one column of 0 "
                f"and 1 for each class: dataset.labels=[{','.join(others[:3])},…]"
            )
    if label is not None and separator is None:
        check_one_label(table, label)
    return Columns(file, label, tuple(labels or ()), separator or None), "; ".join(guessed)


def listed(names: Sequence[str]) -> str:
    """The first names, for a message."""
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def obvious(table: CsvTable, names: Sequence[str], taken: Sequence[str | None]) -> str | None:
    """The first column with one of these names, whatever its case, spaces, `_` and `-`."""
    plain = {re.sub(r"[\s_-]", "", column).lower(): column for column in table.columns if column not in taken}
    return next((plain[name] for name in names if name in plain), None)


def switches_of(table: CsvTable, names: Sequence[str]) -> list[str]:
    """The columns of 0 and 1; of a table without a 0 in them those of -1 and 1."""
    values = {name: {cell.lower() for cell in table.column(name)} for name in names if name}
    switches = [name for name, own in values.items() if own <= SWITCHES.keys()]
    if any(values[name] - SIGNS.keys() for name in switches):
        return switches
    return [name for name, own in values.items() if own <= SIGNS.keys()]


def check_one_label(table: CsvTable, label: str) -> None:
    """Raise UserError if the cells of a label column seem to hold several labels, and no key says otherwise."""
    cell, sign = separated(table.column(label))
    if sign:
        raise UserError(
            f"{table.path}, column {label}: {cell!r} seems to be several labels: \"dataset.separator='{sign}'\" "
            "separates them (python -m tasks.multilabel); \"dataset.separator=''\" takes each cell as one label"
        )


def separated(cells: Iterable[str]) -> tuple[str, str]:
    """A cell that seems to hold several labels, and what separates them; '' twice if none does.

    They do if a cell has a separator, if fewer words than cells differ (`haze road`, `haze`, `road`), or if all words
    are whole numbers (`16 0`).
    """
    cells = sorted(set(cells))
    marked = next(((cell, sign) for sign in SEPARATORS for cell in cells if sign in cell), None)
    words = {word for cell in cells for word in cell.split()}
    spaced = next((cell for cell in cells if " " in cell), None)
    several = spaced is not None and (len(words) < len(cells) or all(map(str.isdecimal, words)))
    return marked or ((spaced, " ") if spaced is not None and several else ("", ""))
