"""What a table's trainings gave, beside what the paper prints, and whether its conclusions hold."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.spread import Cell, Spread, write_tables, written
from tasks.common.table import print_table
from tasks.common.task_info import infos
from tasks.papers.runs import Job
from tasks.papers.table import Claim, Row, Table


def score_of(table: Table) -> str:
    """The main score of a table's task."""
    return infos()[table.task].score


def scores_of(table: Table, job: Job, seeds: Sequence[int]) -> Spread | None:
    """A row's score over its finished seeds, in per cent; None if there is none."""
    found = [json.loads((job.at(seed) / "metrics.json").read_text()) for seed in seeds if job.done(seed)]
    return Spread.of(100 * metrics[score_of(table)] for metrics in found) if found else None


def costs_of(job: Job, seeds: Sequence[int]) -> tuple[float | None, float | None]:
    """Params and multiply-adds of a row's network as it was trained, in millions."""
    for seed in seeds:
        if job.done(seed):
            costs: Mapping[str, Any] = json.loads((job.at(seed) / "network.json").read_text())
            network = next(value for value in costs.values() if isinstance(value, dict))
            return network["params"] / 1e6, network["multiply_adds"] / 1e6
    return None, None


def publish(table: Table, rows: Sequence[Row], jobs: Sequence[Job], seeds: Sequence[int], output: Path) -> None:
    """Print the table beside the paper's and its conclusions; write table.csv, .md and .tex, and claims.md."""
    scores = {row.name: scores_of(table, job, seeds) for row, job in zip(rows, jobs, strict=True)}
    headings = [
        "",
        *(f"paper {name}" for name in table.columns),
        f"{score_of(table)} %",
        "seeds",
        "params M",
        "MAdds M",
    ]
    lines: list[list[Cell]] = []
    for row, job in zip(rows, jobs, strict=True):
        score, (params, madds) = scores[row.name], costs_of(job, seeds)
        printed = ["–" if figure == "-" else figure for figure in row.printed]
        lines.append([row.name, *printed, score, score.size if score else 0, params, madds])
    text = [[cell.format(2) if isinstance(cell, Spread) else figure(cell) for cell in line] for line in lines]
    print_table(headings, text, title=f"{table.key}: {table.title}")
    files = write_tables(output / "table", headings, lines)
    verdicts = [judged(claim, scores) for claim in table.claims if judged(claim, scores)]
    for verdict in verdicts:
        print(verdict)
    (output / "claims.md").write_text("".join(f"- {verdict}\n" for verdict in verdicts), encoding="utf-8")
    print(f"table     {files[0]}, {', '.join(file.suffix for file in files[1:])}")


def figure(cell: Cell) -> str:
    """Text of a cell with two decimals."""
    return f"{cell:,.2f}" if isinstance(cell, float) else written(cell)


def judged(claim: Claim, scores: Mapping[str, Spread | None]) -> str:
    """Whether a paper's conclusion holds here; '' if a row is missing.

    A difference counts if it exceeds the deviations of both rows together.
    """
    first, second = scores.get(claim.first), scores.get(claim.second)
    if first is None or second is None:
        return ""
    found = first.compare(second)
    if claim.relation == ">":
        verdict = {"higher": "holds", "lower": "reversed"}.get(found, "not shown, equal within noise")
    else:
        verdict = "holds, equal within noise" if found.startswith("equal") else f"does not hold, {found}"
    return f"{claim.first} {claim.relation} {claim.second}: {verdict} ({first.format(2)} against {second.format(2)})"
