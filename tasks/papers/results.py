"""What a table's trainings gave, beside what the paper prints, and whether its conclusions hold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.spread import Cell, Spread, write_tables, written
from tasks.common.table import print_table
from tasks.common.task_info import infos
from tasks.common.trainings import Job
from tasks.papers.table import Claim, Row, Table

ERROR = "top-1 err"  # as SENet's tables call it
DIGITS = 2  # of per cents and millions
VERDICTS = {  # by relation, and how the first row's mean compares with the second's
    ">": {"higher": "holds", "lower": "reversed", "equal within noise": "not shown, equal within noise"},
    "≈": {
        "higher": "does not hold, higher",
        "lower": "does not hold, lower",
        "equal within noise": "holds, equal within noise",
    },
}


def score_of(table: Table) -> str:
    """The main score of a table's task."""
    return infos()[table.task].score


def scores_of(table: Table, job: Job, seeds: Sequence[int]) -> Spread | None:
    """A row's score over its finished seeds, in per cent; None if there is none."""
    found = [
        json.loads((job.at(seed) / "metrics.json").read_text(encoding="utf-8")) for seed in seeds if job.done(seed)
    ]
    return Spread.of(100 * metrics[score_of(table)] for metrics in found) if found else None


def costs_of(job: Job, seeds: Sequence[int]) -> tuple[float | None, float | None]:
    """Params and multiply-adds of a row's network as it was trained, in millions."""
    for seed in seeds:
        if job.done(seed):
            costs: Mapping[str, Any] = json.loads((job.at(seed) / "network.json").read_text(encoding="utf-8"))
            network = next(value for value in costs.values() if isinstance(value, dict))
            return network["params"] / 1e6, network["multiply_adds"] / 1e6
    return None, None


def publish(table: Table, rows: Sequence[Row], jobs: Sequence[Job], seeds: Sequence[int], output: Path) -> None:
    """Print the table beside the paper's and its conclusions; write table.csv, .md and .tex, and claims.md."""
    scores = {row.name: scores_of(table, job, seeds) for row, job in zip(rows, jobs, strict=True)}
    errors = table.columns[0] == ERROR  # the paper prints these instead of scores
    heading = f"{ERROR} %" if errors else f"{score_of(table)} %"
    headings = ["", *(f"paper {name}" for name in table.columns), heading, "seeds", "params M", "MAdds M"]
    lines: list[list[Cell]] = []
    for row, job in zip(rows, jobs, strict=True):
        score, (params, madds) = scores[row.name], costs_of(job, seeds)
        count = score.size if score else 0
        shown = score._replace(mean=100 - score.mean) if score and errors else score
        lines.append([row.name, *row.cells(), shown, count, params, madds])
    print_table(
        headings,
        ([written(cell, DIGITS) for cell in line] for line in lines),
        title=f"{table.key}: {table.title}",
    )
    files = write_tables(output / "table", headings, lines, DIGITS)
    verdicts = [verdict for claim in table.claims if (verdict := judged(claim, scores))]
    print("\n".join(verdicts))
    (output / "claims.md").write_text("".join(f"- {verdict}\n" for verdict in verdicts), encoding="utf-8")
    print(f"table     {files[0]}, {', '.join(file.suffix for file in files[1:])}")


def judged(claim: Claim, scores: Mapping[str, Spread | None]) -> str:
    """Whether a paper's conclusion holds here; '' if a row is missing.

    A difference counts if it exceeds the deviations of both rows together.
    """
    first, second = scores.get(claim.first), scores.get(claim.second)
    if first is None or second is None:
        return ""
    found = first.compare(second)
    verdict = VERDICTS[claim.relation][found] if min(first.size, second.size) > 1 else "unknown, with one seed"
    return f"{claim.first} {claim.relation} {claim.second}: {verdict} ({first.format(2)} against {second.format(2)})"
