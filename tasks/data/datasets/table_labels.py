"""The labels of a table's images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.entries import is_printable
from tasks.data.datasets.table_columns import SIGNS, SWITCHES, Columns
from tasks.data.files.csv_table import CsvTable


class Labels(NamedTuple):
    """Which rows have which classes.

    Attributes:
        names: of the classes.
        rows: (K) numbers of rows, ascending.
        classes: (K) class numbers.
        total: of all rows.
    """

    names: list[str]
    rows: NDArray[np.int64]
    classes: NDArray[np.int64]
    total: int

    def matrix(self) -> NDArray[np.uint8]:
        """(N, C) 1 where a row has a class."""
        found = np.zeros((self.total, len(self.names)), np.uint8)
        found[self.rows, self.classes] = 1
        return found

    def per_row(self) -> NDArray[np.int64]:
        """(N) number of classes of each row."""
        return np.bincount(self.rows, minlength=self.total)


def read_labels(table: CsvTable, columns: Columns, known: Sequence[str] | None = None) -> Labels:
    """The labels of all rows.

    Args:
        known: names of the classes; None for those that are found, in order of names, or of numbers if all are.

    Raises:
        UserError: for an empty cell, a cell that is not 0 or 1, and a class that is not known; with the row.
    """
    if columns.label is None:
        return of_columns(table, columns)
    cells = table.column(columns.label)
    parts = [[cell] for cell in cells] if columns.separator is None else parted(cells, columns.separator)
    found = {name for row in parts for name in row}
    if "" in found:
        raise table.error(cells.index(""), f"no label in column {columns.label}")
    names = in_order(found) if known is None else list(known)
    number = {name: place for place, name in enumerate(names)}
    if strange := found - number.keys():
        row = next(row for row, own in enumerate(parts) if strange.intersection(own))
        name = next(name for name in parts[row] if name in strange)
        some = ", ".join(names[:8]) + (", …" if len(names) > 8 else "")
        raise table.error(row, f"{name} is a class that no training image has ({len(names)} there: {some})")
    if bad := sorted(name for name in found if not is_printable(name)):
        row = next(row for row, own in enumerate(parts) if bad[0] in own)
        raise table.error(row, f"label {bad[0]!r} has control characters")
    rows = np.repeat(np.arange(len(parts)), [len(own) for own in parts])
    return Labels(names, rows, np.array([number[name] for own in parts for name in own], np.int64), len(parts))


def parted(cells: Sequence[str], separator: str) -> list[list[str]]:
    """The labels of each cell; any number of spaces separates if a space does."""
    cut = None if separator == " " else separator
    return [[part.strip() for part in cell.split(cut) if part.strip()] for cell in cells]


def in_order(names: set[str]) -> list[str]:
    """Names in alphabetical order; by value if all are whole numbers."""
    return sorted(names, key=int) if all(name.lstrip("-").isdecimal() for name in names) else sorted(names)


def of_columns(table: CsvTable, columns: Columns) -> Labels:
    """The labels of a table with a column for each class: of 0 and 1, or throughout of -1 and 1."""
    signs = all(cell in SIGNS for name in columns.classes for cell in table.column(name))
    known = SIGNS if signs else SWITCHES
    values = np.zeros((len(table.cells), len(columns.classes)), np.uint8)
    for place, name in enumerate(columns.classes):
        cells = table.column(name)
        for row, cell in enumerate(cells):
            if (value := known.get(cell.lower())) is None:
                other = "; -1 for 0 only where no column has a 0" if cell in SIGNS else ""
                raise table.error(row, f"{cell!r} in column {name}: a class's column has 0 or 1{other}")
            values[row, place] = value
    rows, classes = np.nonzero(values)
    return Labels(list(columns.classes), rows, classes, len(table.cells))


def only_label(labels: Labels, table: CsvTable) -> NDArray[np.int64]:
    """(N) the class of each row.

    Raises:
        UserError: for a row with none or several.
    """
    counts = labels.per_row()
    if len(wrong := np.flatnonzero(counts != 1)):
        row = int(wrong[0])
        own = [labels.names[number] for number in labels.classes[labels.rows == row]]
        which = f" ({', '.join(own[:4])})" if own else ""
        raise table.error(
            row,
            f"{len(own) or 'no'} classes{which}; so {len(wrong)} of {labels.total} rows have not exactly one: "
            "tasks.classify learns one class per image, tasks.multilabel any number",
        )
    return labels.classes
