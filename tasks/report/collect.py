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
from tasks.report.reading import Parts, read_yaml
from tasks.report.records import read_curves, read_labels, read_metrics
from tasks.report.run import about
from tasks.report.scores import score_tables


def collect(folder: Path, strict: bool = True) -> dict[str, Any]:
    """The page's data.

    Args:
        strict: whether damaged records raise an error; otherwise the page says what is left out.

    Raises:
        UserError: for a folder that is no run's, and files that cannot be read.
    """
    check_run(folder)
    parts = Parts(folder, strict)
    run = about(folder, parts)
    metrics = {} if (folder / "benchmark.json").is_file() else read_metrics(folder)  # whose numbers are no scores
    recorded = sorted(path.name for path in (folder / FOLDER).glob("*/"))  # if nothing else names the heads
    heads = [head for head in run["heads"] or recorded or [run["task"]] if head and is_plain(head)]
    config = read_yaml(folder / "config.yaml")
    return {
        "kind": "run",
        "run": run,
        "history": parts.read(lambda: read_history(folder / "metrics.csv")) or {"epochs": 0, "curves": {}},
        "metrics": metrics,
        "scores": score_tables(metrics, heads or [""], folder, parts) if metrics else [],
        "heads": [of_head(folder / FOLDER / head, parts) for head in heads],
        "exported": parts.read(lambda: exported(folder, run["task"], run["place"])) or {},
        "outcome": outcome(folder, run["log"], parts),
        "config": dict(leaves(config)) if isinstance(config, dict) else {},
        "damaged": parts.damaged,
    }


def of_head(folder: Path, parts: Parts) -> dict[str, Any]:
    """What the records of a head have for the page."""
    return {
        "head": folder.name,
        "curves": parts.read(lambda: read_curves(folder / "curves.json")) or {},
        "pictures": parts.read(lambda: read_pictures(folder / "pictures.json")),
        "augmented": parts.read(lambda: read_pictures(folder / "augmented.json")),
        "labels": parts.read(lambda: read_labels(folder / "labels.json")) or {},
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
