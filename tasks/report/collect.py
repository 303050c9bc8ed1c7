"""Everything that a run's page shows, from its folder."""

from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.nested import leaves
from tasks.common.records import FOLDER
from tasks.report.exported import exported
from tasks.report.history import read_history
from tasks.report.outcome import outcome
from tasks.report.pictures import read_pictures
from tasks.report.reading import read_json, read_yaml
from tasks.report.run import about, heads_of
from tasks.report.scores import score_tables


def collect(folder: Path) -> dict[str, Any]:
    """The page's data.

    Raises:
        UserError: for a folder that is no run's, and files that cannot be read.
    """
    check_run(folder)
    run = about(folder)
    metrics = read_json(folder / "metrics.json")
    heads: list[str] = run["heads"] or ([run["task"]] if run["task"] else [])
    tables = score_tables(metrics, heads, folder) if metrics else []
    records, config = folder / FOLDER, read_yaml(folder / "config.yaml")
    return {
        "kind": "run",
        "run": run,
        "history": read_history(folder / "metrics.csv"),
        "metrics": metrics,
        "scores": tables,
        "heads": [
            {
                "head": head,
                "curves": read_json(records / head / "curves.json"),
                "pictures": read_pictures(records / head / "pictures.json"),
                "augmented": read_pictures(records / head / "augmented.json"),
                "labels": read_json(records / head / "labels.json"),
            }
            for head in heads_of(run["costs"]) or heads
            if is_plain(head)
        ],
        "exported": exported(folder),
        "outcome": outcome(folder, run["log"]),
        "config": dict(leaves(config)) if isinstance(config, dict) else {},
    }


def check_run(folder: Path) -> None:
    """Raises a UserError if a folder has nothing that a run writes."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name a run's, such as outputs/segment/<date>_<time>")
    known = ("metrics.csv", "metrics.json", "config.yaml", FOLDER, "gate.json", "benchmark.json", "history.csv")
    if not any((folder / name).exists() for name in known):
        inside = sorted(path.parent for path in folder.glob("*/config.yaml"))
        hint = f"; name a run in it: {', '.join(map(str, inside[:3]))}" if inside else ""
        raise UserError(f"{folder} is no run's folder: it has no {', '.join(known[:3])}{hint}")


def is_plain(name: str) -> bool:
    """Whether a head's name is a folder's within the records."""
    return name.isidentifier()
