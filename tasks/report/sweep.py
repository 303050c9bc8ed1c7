"""What a page of a sweep's runs says beyond each of them: which keys each run has, and means over seeds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.report.outcome import table_of

LONGEST = 40  # characters of the keys in a run's name
SD = " sd"  # ends the name of a column with a standard deviation


def telling(names: Sequence[str], changed: Sequence[Sequence[Sequence[str]]]) -> list[str]:
    """Names of runs: a number alone, as a sweep's folders have, gets what was typed for this run and not for all.

    Args:
        names: of their folders.
        changed: pairs of a key and its value, for each run.
    """
    common = set.intersection(*({f"{key}={value}" for key, value in own} for own in changed)) if changed else set()
    named = []
    for name, own in zip(names, changed, strict=True):
        words = " ".join(word for key, value in own if (word := f"{key}={value}") not in common)
        short = words if len(words) <= LONGEST else words[: LONGEST - 1] + "…"
        named.append(f"{name}: {short}" if name.isdigit() and words else name)
    return named


def over_seeds(folder: Path) -> dict[str, Any] | None:
    """`columns` and `rows` of summary.csv, a cell each of a mean and its standard deviation; None without it.

    Raises:
        UserError: if it cannot be read.
    """
    table = table_of(folder / "summary.csv")
    if table is None:
        return None
    columns = [str(name) for name in table["columns"]]
    kept = [place for place, name in enumerate(columns) if not (name.endswith(SD) and name[: -len(SD)] in columns)]
    sd = {place: columns.index(columns[place] + SD) for place in kept if columns[place] + SD in columns}
    return {
        "columns": [columns[place] for place in kept],
        "rows": [
            [[row[place], row[sd[place]]] if place in sd else row[place] for place in kept] for row in table["rows"]
        ],
    }
