"""Tables of text: CSV, or the same with semicolons or tabs."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.opening import shown

DELIMITERS = (",", ";", "\t")


class CsvTable(NamedTuple):
    """A table whose first line names its columns.

    Attributes:
        path: of the file.
        columns: their names, stripped.
        cells: of each row, stripped.
        lines: of the file, on which the rows end; the first line is 1.
    """

    path: Path
    columns: list[str]
    cells: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """The cells of a column.

        Raises:
            UserError: if there is no such column.
        """
        if name not in self.columns:
            raise UserError(f"{shown(self.path)} has no column {name}; its columns are {', '.join(self.columns)}")
        place = self.columns.index(name)
        return [row[place] for row in self.cells]

    def only(self, rows: Sequence[int]) -> "CsvTable":
        """The table with these rows."""
        return self._replace(cells=[self.cells[row] for row in rows], lines=[self.lines[row] for row in rows])

    def error(self, row: int, problem: str) -> UserError:
        """Error that names the row."""
        return UserError(f"{shown(self.path)}, row {self.lines[row]}: {problem}")


def read_table(path: Path) -> CsvTable:
    """Read a table in UTF-8. Cells are separated by whichever of comma, semicolon and tab is most frequent in line 1.

    Raises:
        UserError: for a file that is missing, no text in UTF-8, without rows or with one column, a column named twice,
            and a row with another number of cells.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            delimiter = max(DELIMITERS, key=first.count)
            rows = list(numbered(csv.reader(file, delimiter=delimiter)))
    except FileNotFoundError as error:
        raise UserError(f"no such file: {shown(path)}") from error
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{shown(path)} is not text in UTF-8 (byte {error.start}): save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise UserError(f"{shown(path)} is no CSV: {error}") from error
    if not rows:
        raise UserError(f"{shown(path)} is empty")
    (_, columns), *rows = rows
    for name in columns:
        if columns.count(name) > 1 and name:
            raise UserError(f"{shown(path)} has two columns called {name}")
    if len(columns) == 1:
        raise UserError(
            f"{shown(path)} has one column ({columns[0]}): commas, semicolons or tabs separate columns, and line 1 "
            "names them"
        )
    table = CsvTable(path, columns, [cells for _, cells in rows], [line for line, _ in rows])
    for row, cells in enumerate(table.cells):
        if len(cells) != len(columns):
            raise table.error(row, f"{len(cells)} cells, but {len(columns)} columns ({', '.join(columns[:8])})")
    if not rows:
        raise UserError(f"{shown(path)} has column names, but no row")
    return table


def numbered(rows: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """Rows that are not blank, stripped, with the number of their last line."""
    for cells in rows:
        if any(cells):
            yield rows.line_num, [cell.strip() for cell in cells]  # type: ignore[attr-defined]  # of a csv.reader
