"""One row for the runs of a sweep that differ only in their seed: mean and standard deviation of their scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.spread import Cell, Spread, write_tables, written
from tasks.common.table import print_table
from tasks.common.typed import seed_word

SEED = "seed"
RUNS = "runs"  # column with the number of finished runs, which a failed job makes smaller


def summarise(
    folder: Path,
    settings: Sequence[str],
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    hidden: Sequence[str],
) -> None:
    """Print the table over seeds, and write it to summary.csv, .md and .tex, if runs differ only in their seed.

    Runs of several settings with one seed each get a line that says what they cannot tell.

    Args:
        settings: keys of the rows that were set: overrides, typed or swept, and the image size.
        columns: their other keys: costs and scores.
        rows: one per run.
        hidden: columns to leave out on the terminal.
    """
    groups = by_setting([key for key in settings if key != SEED], rows)
    if len(groups) == len(rows):
        if len(groups) > 1:
            print("one seed  of each: what differs by chance is not told apart; seed=0,1,2 adds mean ± sd")
        return
    differ = [key for key in settings if key != SEED and len({str(row.get(key)) for row in rows}) > 1]
    numbers = [key for key in columns if any(is_number(row.get(key)) for row in rows)]
    table = [
        [*(group[0].get(key) for key in differ), len(group), *(cell(group, key) for key in numbers)] for group in groups
    ]
    headings = [*differ, RUNS, *numbers]
    shown = [place for place, name in enumerate(headings) if name not in hidden]
    print_table(
        [headings[place] for place in shown],
        ([written(row[place]) for place in shown] for row in table),
        align="l" * len(differ) + "r",
        title="mean ± sd (n - 1) over seeds",
    )
    for line in missing(groups, differ):
        print(line)
    files = write_tables(folder / "summary", headings, table)
    print(f"summary   {files[0]}, {', '.join(file.suffix for file in files[1:])}")


def missing(groups: Sequence[Sequence[Mapping[str, Any]]], differ: Sequence[str]) -> list[str]:
    """A line for each group that lacks a seed which another one has: its run failed, or never began."""
    seeds = list(dict.fromkeys(str(row.get(SEED)) for group in groups for row in group))
    lines = []
    for group in groups:
        own = {str(row.get(SEED)) for row in group}
        if lacking := [seed for seed in seeds if seed not in own]:
            name = " ".join(f"{key}={group[0].get(key)}" for key in differ)
            lines.append(f"without   {seed_word(lacking)} of {name}: {len(own)} of {len(seeds)} runs")
    return lines


def by_setting(keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Groups of runs with equal values of these keys, in order."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(str(row.get(key)) for key in keys), []).append(row)
    return list(groups.values())


def cell(group: Sequence[Mapping[str, Any]], key: str) -> Cell:
    """A group's cell in a column: the count that its runs share, or the spread of their values."""
    values = [row[key] for row in group if is_number(row.get(key))]
    if not values:
        return None
    if all(isinstance(value, int) for value in values) and len(set(values)) == 1:
        shared: int = values[0]
        return shared
    return Spread.of(values)


def is_number(value: Any) -> bool:
    """Whether a value of a run is a count or a score."""
    return isinstance(value, int | float) and not isinstance(value, bool)
