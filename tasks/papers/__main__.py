"""The papers' tables and figures, each by one command.

python -m tasks.papers                                  lists them
python -m tasks.papers sizes                            whether the networks here have the sizes that are printed
python -m tasks.papers page                             the list in Markdown
python -m tasks.papers table=v3.6                       its rows: commands, the paper's figures, sizes as built
python -m tasks.papers table=v3.6 scale=mini            trains all rows in miniature, with three seeds
python -m tasks.papers table=v3.6 scale=full            as in the paper, on the data sets below DATA_ROOT

rows=[1,2]  seeds=[0,1,2]  epochs=10 or minutes=30 (for the whole table)  workers=2 rows at the same time
scale=mini: root=<folder with cifar10-mini, coco-bccd, cityscapes-camvid>; scale=streets needs no data
output=<folder>: finished runs are kept, so a stopped table continues; further key=value are passed to the task
"""

import sys
from collections.abc import Sequence

from tasks.common.console import refusing, report, run_command
from tasks.common.errors import UserError
from tasks.papers.arguments import Request, parse
from tasks.papers.catalogue import PAPERS, TABLES, chosen, find
from tasks.papers.page import page
from tasks.papers.scales import overrides_at
from tasks.papers.table import Row, Table


def main() -> None:
    """List, show or run; user errors are printed in one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(__doc__)
        return
    if sys.argv[1:] == ["page"]:
        print(page())
        return
    if sys.argv[1:] == ["sizes"]:
        from tasks.papers.sizes import print_sizes  # imports torch: seconds

        print_sizes(TABLES.values())
        return
    with refusing():
        answer(parse(sys.argv[1:]))


def answer(request: Request) -> None:
    """Do what was asked.

    Raises:
        UserError: for an unknown table or row, missing data, or trainings that failed.
    """
    if request.table is None:
        list_tables()
        return
    table = find(request.table)
    if request.scale is None and not table.parts:
        print("\n".join(lines_of(table)))
        return
    rows = chosen(table, request.rows)
    if request.scale is None:
        from tasks.papers.show import show  # imports torch: seconds

        show(table, rows)
        return
    run(request, request.scale, table, rows)


def list_tables() -> None:
    """Print every table with its commands."""
    for paper, tables in PAPERS.values():
        print(f"\n{paper}")
        for table in tables:
            print("\n".join(f"  {line}" for line in lines_of(table)))


def lines_of(table: Table) -> list[str]:
    """A table's key and title, its commands, and what must be known about it."""
    note = [f"({table.note})"] if table.note else []
    return [f"{table.key:18}{table.title}", *(f"{'':20}{line}" for line in (*table.commands(), *note))]


def run(request: Request, scale: str, table: Table, rows: list[Row]) -> None:
    """Train the rows, and print the table.

    Raises:
        UserError: for missing data, a folder with other runs, or trainings that failed.
    """
    from tasks.common.trainings import Job, claim, remember, run_all
    from tasks.papers.results import publish
    from tasks.papers.runs import NOTE, epochs_within, folder_name

    jobs = [
        Job(
            table.task,
            row.name,
            (*overrides_at(scale, table, row, request.root), *request.overrides),
            request.output / folder_name(row.name),
        )
        for row in rows
    ]
    check_composes(table.task, jobs[0].overrides)
    asked = {"table": table.key, "scale": scale, "overrides": request.overrides, "root": str(request.root)}
    note = claim(request.output, {**asked, "asked_epochs": request.epochs, "minutes": request.minutes}, NOTE, "output=")
    epochs = note.get("epochs", request.epochs)
    if epochs is None and request.minutes is not None:
        epochs = epochs_within(request.minutes, jobs, request.seeds, request.workers, request.output)
        remember(request.output, {**note, "epochs": epochs}, NOTE)
    more = [] if epochs is None else [f"trainer.max_epochs={epochs}"]
    length = f", {epochs} epochs" if epochs else ""
    report(f"training  {len(jobs)} rows, {len(request.seeds)} seeds{length}: {request.output}")
    failures = run_all(jobs, request.seeds, more, request.workers)
    publish(table, rows, jobs, request.seeds, request.output)
    if failures:
        raise UserError(f"{len(failures)} of {len(jobs)} rows failed: {'; '.join(failures)}")


def check_composes(task: str, overrides: Sequence[str]) -> None:
    """Compose a row's command here, so that a mistyped key is one line instead of one per row.

    Raises:
        UserError: for what the row's command would refuse before it reads data.
    """
    from hydra.errors import HydraException

    from tasks.app.messages import explain
    from tasks.app.resolve import composed

    try:
        composed(task, *overrides)
    except HydraException as error:
        raise UserError(explain(error)) from None


if __name__ == "__main__":
    run_command(main)
