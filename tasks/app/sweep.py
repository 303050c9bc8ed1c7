"""A table of the runs of `-m`: changed keys, costs and scores of each network."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from tasks.app.seeds import summarise
from tasks.common.errors import UserError, visible
from tasks.common.spread import written
from tasks.common.table import print_table
from tasks.report.compare import MOST, write_comparison
from tasks.report.write import finish, told

DETAILS = ("AR", "mAP_", "AUROC", "ECE", "NLL", "Brier")  # in the file; the terminal has no room for them
FAILURES = ".failed"  # folder of a sweep: jobs in other processes leave what they failed of
UNVARIED = ("images", "seconds")  # which tell nothing about a network


class Comparison(Callback):
    """Prints the table after the last run, and writes it to comparison.csv in the sweep's folder."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Called by Hydra before the first run, after the folder was chosen."""
        shutil.rmtree(Path(str(config.hydra.sweep.dir)) / FAILURES, ignore_errors=True)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Called by Hydra after the last run."""
        folder = Path(str(config.hydra.sweep.dir))
        compare(folder)
        failed = [path.read_text(encoding="utf-8") for path in sorted((folder / FAILURES).glob("*.txt"))]
        for line in failed:
            print(visible(f"error: {line}"), file=sys.stderr)
        if failed:  # Hydra has no other way to tell
            raise SystemExit(2)


def compare(folder: Path) -> None:
    """Print and write the table of the finished runs in a sweep's folder, if there are any."""
    measured = runs_with("benchmark.json", folder)
    rows = [row_of(run) for run in runs_with("metrics.json", folder) if run not in measured]
    if rows:
        columns = list(dict.fromkeys(key for row in rows for key in row))
        columns = [key for key in columns if not key.rpartition("/")[0].endswith(("iou", "AP"))]
        write_csv(folder / "comparison.csv", columns, rows)
        settings, results = parted(columns)
        print_runs(settings, results, rows)
        print(f"table     {folder / 'comparison.csv'}")
        summarise(folder, settings, results, rows, hidden=[key for key in results if is_detail(key) or key in UNVARIED])
        if line := page_of(folder, len(rows)):
            print(line)
    if measured:
        from tasks.deploy.bench.table import publish

        publish(folder, named_rows(measured))
        print(finish(folder, state="finished"))


def page_of(folder: Path, runs: int) -> str:
    """Write the page that compares a sweep's runs; returns a line with its path, or '' if they are too few or many."""
    if not 2 <= runs <= MOST:
        return ""
    try:
        return told(write_comparison([folder], folder))
    except UserError as error:
        return f"no report: {error}"


def runs_with(name: str, folder: Path) -> list[Path]:
    """The runs in a sweep's folder that have written a file of this name, in order."""
    return sorted((path.parent for path in folder.glob(f"*/{name}")), key=lambda path: path.name.zfill(9))


def changed_in(run: Path) -> dict[str, str]:
    """A run's overrides by key."""
    overrides: Any = OmegaConf.to_container(OmegaConf.load(run / ".hydra" / "overrides.yaml"))
    return dict(override.partition("=")[::2] for override in overrides)


def named_rows(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """Measurements of runs of mode=benchmark, named by the differences between the runs."""
    from tasks.deploy.bench.ranking import unranked
    from tasks.deploy.bench.table import short_names

    changes = [changed_in(run) for run in runs]
    differ = [key for key in changes[0] if len({change[key] for change in changes}) > 1]
    short = {key: short_names([change[key] for change in changes]) for key in differ}
    rows = []
    for run, change in zip(runs, changes, strict=True):
        label = " ".join(short[key][change[key]] for key in differ)
        measured = json.loads((run / "benchmark.json").read_text(encoding="utf-8"))
        several = len(measured) > 1 or not label
        rows += [unranked(row) | {"name": f"{label} {row['name']}".strip() if several else label} for row in measured]
    return rows


def row_of(run: Path) -> dict[str, Any]:
    """The row of one run: its overrides, params, multiply-adds and scores."""
    changed = changed_in(run)
    costs = json.loads((run / "network.json").read_text(encoding="utf-8"))
    size = f"{costs.pop('height')}×{costs.pop('width')}"
    single = len(costs) == 1
    row: dict[str, Any] = {**changed, "image": size}
    for task, cost in costs.items():
        row |= {key if single else f"{task}/{key}": value for key, value in cost.items()}
    result: dict[str, Any] = row | json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return result


def write_csv(path: Path, columns: list[str], rows: list[dict[str, Any]]) -> None:
    """Write the table as CSV."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def parted(columns: list[str]) -> tuple[list[str], list[str]]:
    """Columns of settings, of which the image's size is the last, and of results."""
    place = columns.index("image") + 1
    return columns[:place], columns[place:]


def is_detail(key: str) -> bool:
    """Whether a score is one that the terminal has no room for."""
    return key.rpartition("/")[2].startswith(DETAILS)


def print_runs(settings: list[str], results: list[str], rows: list[dict[str, Any]]) -> None:
    """Print the table without details; overrides shared by all runs are printed above it."""
    shared = [key for key in settings if len({str(row.get(key)) for row in rows}) == 1]
    print("  ".join(f"{key}={rows[0].get(key)}" for key in shared))
    shown = [key for key in (*settings, *results) if key not in shared and not is_detail(key)]
    print_table(
        shown,
        ([written(row.get(key)) for key in shown] for row in rows),
        align="".join("l" if isinstance(rows[0].get(key), str) else "r" for key in shown) or "l",
    )
