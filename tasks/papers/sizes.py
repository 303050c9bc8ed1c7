"""`python -m tasks.papers sizes`: whether the networks built here have the sizes that the papers print."""

from collections.abc import Iterable
from typing import NamedTuple

from backbones.published.row import Figure
from heads.sizes import Size
from tasks.common.table import print_table
from tasks.papers.show import size_of
from tasks.papers.table import Row, Table

COLUMNS = {"params": "params", "MAdds": "madds", "GFLOPs": "madds"}
CLOSE = 0.01  # papers round, and some leave out BatchNorm's params or count other operations as well


class Compared(NamedTuple):
    """Printed figures of a table that the networks have, and those that they have not, each with its difference."""

    equal: int
    different: list[str]


def print_sizes(tables: Iterable[Table]) -> None:
    """Print a line for each table that has sizes."""
    lines = []
    for table in tables:
        if set(table.columns) & set(COLUMNS):
            found = compare(table)
            lines.append(
                (table.key, f"{found.equal} of {found.equal + len(found.different)}", "; ".join(found.different))
            )
    print_table(("table", "equal", f"more than {CLOSE:.0%} from the printed figure"), lines, align="lrl")


def compare(table: Table) -> Compared:
    """Compare every printed size of a table's rows."""
    equal = 0
    different: list[str] = []
    for row in table.rows():
        if any(name in COLUMNS and figure != "-" for name, figure in zip(table.columns, row.printed, strict=True)):
            ours, theirs = compare_row(table, row, size_of(table, row))
            equal, different = equal + ours, different + theirs
    return Compared(equal, different)


def compare_row(table: Table, row: Row, size: Size) -> tuple[int, list[str]]:
    """The number of a row's figures that its network has, and a text for each other one."""
    equal, different = 0, []
    for name, printed in zip(table.columns, row.printed, strict=True):
        figure = Figure.read(printed) if name in COLUMNS else None
        if figure is None:
            continue
        counts = [size.params, size.params_without_norm] if COLUMNS[name] == "params" else [size.madds]
        if any(figure.prints(count) or abs(figure.difference(count)) <= CLOSE for count in counts):
            equal += 1
        else:
            different.append(f"{row.name}: {name} {printed}, here {100 * figure.difference(counts[0]):+.1f} %")
    return equal, different
