"""index.csv: what was predicted, and where its results are."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Index:
    """A CSV file with one line per photo or frame: its status and the paths of its results.

    It stays complete if the process is killed: each line is written at once, and a new column replaces the file. Lines
    are not kept in memory, because a camera may run for days.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.columns: dict[str, None] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a line; new columns are appended on the right."""
        if row.keys() <= self.columns.keys():
            with self.path.open("ab") as file:
                file.write(self.line(row))
            return
        before, self.columns = len(self.columns), self.columns | dict.fromkeys(row)
        beside = self.path.with_name(f".{self.path.name}.partial")
        with beside.open("wb") as file:
            file.write(self.line({key: key for key in self.columns}))
            if before:
                with self.path.open(newline="", encoding="utf-8") as old:
                    lines = csv.reader(old)
                    next(lines)
                    for values in lines:
                        file.write(self.line(dict(zip(self.columns, values, strict=False))))
            file.write(self.line(row))
        beside.replace(self.path)

    def line(self, row: Mapping[str, Any]) -> bytes:
        """Encode a row as UTF-8; bytes of file names that are not UTF-8 are escaped."""
        text = io.StringIO(newline="")
        csv.DictWriter(text, list(self.columns)).writerow(row)
        return text.getvalue().encode(errors="backslashreplace")
