"""All tables, and how to find one."""

import difflib
from collections.abc import Sequence

from tasks.common.errors import UserError
from tasks.papers.table import Row, Table
from tasks.papers.tables import cse, mobilenet_v1, mobilenet_v2, mobilenet_v3, senet, slides

PAPERS = {
    "v1": ("MobileNets (Howard et al., 2017)", mobilenet_v1.TABLES),
    "v2": ("MobileNetV2 (Sandler et al., 2018)", mobilenet_v2.TABLES),
    "v3": ("Searching for MobileNetV3 (Howard et al., 2019)", mobilenet_v3.TABLES),
    "senet": ("Squeeze-and-Excitation Networks (Hu et al., 2019)", senet.TABLES),
    "cse": ("MobileNetV2 + channel-wise squeeze-and-excite (Park, 2021)", cse.TABLES),
    "slides": ("Slides on separable convolutions and MBConv", slides.TABLES),
}
TABLES = {table.key: table for _, tables in PAPERS.values() for table in tables}


def find(key: str) -> Table:
    """The table of this key.

    Raises:
        UserError: if there is none, with the nearest keys.
    """
    if key in TABLES:
        return TABLES[key]
    if not key:
        raise UserError("table= names no table; python -m tasks.papers lists them")
    near = difflib.get_close_matches(key, TABLES, n=3, cutoff=0.5) or [name for name in TABLES if name.startswith(key)]
    hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(TABLES)}"
    raise UserError(f"table={key}: no such table; {hint}")


def chosen(table: Table, names: Sequence[str] | None) -> list[Row]:
    """The rows of a table with these names, or numbers from 1 unless a row's name is a number; all for None.

    Raises:
        UserError: for one that the table does not have.
    """
    rows = table.rows()
    if not rows:
        instead = f": {table.command}" if table.command else f" ({table.note})"
        raise UserError(f"table={table.key} is nothing to train{instead}")
    if names is None:
        return rows
    numbered = not any(row.name.isdecimal() for row in rows)
    numbers = {str(number): row for number, row in enumerate(rows, 1)} if numbered else {}
    known = {row.name: row for row in rows} | numbers
    for name in names:
        if name not in known:
            listed = ", ".join(f"{number} ({row.name})" for number, row in numbers.items())
            raise UserError(f"rows: {table.key} has no row {name!r}; there are {listed or ', '.join(known)}")
    return [row for row in rows if row in [known[name] for name in names]]
