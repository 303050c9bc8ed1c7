"""Mean and standard deviation over a training's seeds, and tables of them in CSV, Markdown and LaTeX."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Self


class Spread(NamedTuple):
    """Mean and deviation of some values.

    Attributes:
        sd: the sample standard deviation, which divides by size - 1; None for a single value.
        size: the number of values.
    """

    mean: float
    sd: float | None
    size: int

    @classmethod
    def of(cls, values: Iterable[float]) -> Self:
        """The spread of these values.

        Raises:
            ZeroDivisionError: if there are none.
        """
        found = list(values)
        mean = math.fsum(found) / len(found)
        squares = math.fsum((value - mean) ** 2 for value in found)
        return cls(mean, math.sqrt(squares / (len(found) - 1)) if len(found) > 1 else None, len(found))

    def format(self, digits: int = 4, sign: str = "±") -> str:
        """The mean, and the deviation if there is one: 0.7512 ± 0.0031."""
        return f"{self.mean:.{digits}f}" + ("" if self.sd is None else f" {sign} {self.sd:.{digits}f}")

    def compare(self, other: "Spread") -> str:
        """Whether this mean is "higher" or "lower" than another, or "equal within noise".

        A difference counts if it exceeds √(sd² + other sd²). A single value has no deviation: any difference counts.
        """
        noise = math.hypot(self.sd or 0.0, other.sd or 0.0)
        difference = self.mean - other.mean
        return "equal within noise" if abs(difference) <= noise else "higher" if difference > 0 else "lower"


Cell = str | int | float | Spread | None
ESCAPED = {
    "&": r"\&",
    "%": r"\%",
    "_": r"\_",
    "#": r"\#",
    "$": r"\$",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
}
ESCAPED |= {"^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "×": r"$\times$", "–": "--", "±": r"$\pm$"}


def written(cell: Cell, digits: int = 4) -> str:
    """Text of a cell for people: thousands separators in counts, four decimals in fractions, a dash for None."""
    if cell is None:
        return "–"
    if isinstance(cell, Spread):
        return cell.format(digits)
    if isinstance(cell, float):
        return f"{cell:,.{digits}f}"
    return f"{cell:,}" if isinstance(cell, int) else cell


def write_tables(stem: Path, headings: Sequence[str], rows: Sequence[Sequence[Cell]], digits: int = 4) -> list[Path]:
    """Write a table as <stem>.csv, .md and .tex; returns the files.

    In CSV, with all digits, a column of spreads becomes two: the means, and the deviations as "<heading> sd".
    """
    files = [stem.with_name(f"{stem.name}.{kind}") for kind in ("csv", "md", "tex")]
    files[0].write_text(csv_of(headings, rows), encoding="utf-8")
    files[1].write_text(markdown(headings, rows, digits), encoding="utf-8")
    files[2].write_text(latex(headings, rows, digits), encoding="utf-8")
    return files


def csv_of(headings: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """The table in CSV."""
    import csv
    import io

    spread = [any(isinstance(row[place], Spread) for row in rows) for place in range(len(headings))]
    text = io.StringIO()
    file = csv.writer(text, lineterminator="\n")
    file.writerow(
        name for heading, wide in zip(headings, spread, strict=True) for name in [heading, f"{heading} sd"][: 1 + wide]
    )
    for row in rows:
        cells: list[object] = []
        for cell, wide in zip(row, spread, strict=True):
            pair = [cell.mean, cell.sd] if isinstance(cell, Spread) else [cell, None]
            cells += ["" if value is None else value for value in pair[: 1 + wide]]
        file.writerow(cells)
    return text.getvalue()


def markdown(headings: Sequence[str], rows: Sequence[Sequence[Cell]], digits: int = 4) -> str:
    """The table in Markdown, numbers aligned on the right."""
    sides = ["---:" if is_number_column(rows, place) else "---" for place in range(len(headings))]
    lines = [list(headings), sides, *([written(cell, digits).replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def latex(headings: Sequence[str], rows: Sequence[Sequence[Cell]], digits: int = 4) -> str:
    """The table in LaTeX; it needs the package booktabs."""
    sides = "".join("r" if is_number_column(rows, place) else "l" for place in range(len(headings)))
    lines = [[escaped(written(cell, digits)) for cell in row] for row in (headings, *rows)]
    text = [f"{' & '.join(line)} \\\\\n" for line in lines]
    begin, end = f"\\begin{{tabular}}{{{sides}}}\n\\toprule\n", "\\bottomrule\n\\end{tabular}\n"
    return "".join([begin, text[0], "\\midrule\n", *text[1:], end])


def is_number_column(rows: Sequence[Sequence[Cell]], place: int) -> bool:
    """Whether a column has only numbers and spreads, apart from empty cells, and at least one."""
    cells = [row[place] for row in rows if row[place] is not None]
    return bool(cells) and not any(isinstance(cell, str) for cell in cells)


def escaped(text: str) -> str:
    """Text with LaTeX's special characters escaped."""
    return "".join(ESCAPED.get(letter, letter) for letter in text)
