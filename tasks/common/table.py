"""A table on the terminal, for all commands."""

from collections.abc import Iterable, Sequence


def print_table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], *, align: str = "lr", title: str | None = None
) -> None:
    """Print rows of text under headings.

    Args:
        align: a letter for each column, "l" or "r"; the last one holds for all further columns.
        title: printed above.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left")
    for heading, side in zip(headings, align.ljust(len(headings), align[-1]), strict=False):
        left = side == "l"
        table.add_column(escape(heading), justify="left" if left else "right", overflow="fold" if left else "ellipsis")
    for row in rows:
        table.add_row(*map(escape, row))
    if table.row_count:
        Console().print(table)
