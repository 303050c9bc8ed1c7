"""The page that maps every table and figure to its command, as Markdown."""

from tasks.common.spread import markdown
from tasks.papers.catalogue import PAPERS
from tasks.papers.table import Table

MARK = "<!-- written by python -m tasks.papers page; a test compares -->"


def page() -> str:
    """A table for each paper: what is shown, the command, and why something cannot be run."""
    parts = [MARK]
    for paper, tables in PAPERS.values():
        rows = [[table.key, table.title, commands(table), table.note] for table in tables]
        parts.append(f"\n### {paper}\n\n{markdown(('table=', 'shows', 'command', 'note'), rows)}")
    return "\n".join(parts)


def commands(table: Table) -> str:
    """The commands of a table, as code."""
    return "<br>".join(f"`{command}`" for command in table.commands())
