"""What an exported file says of its training: the network, and the day and scores that the run's folder has."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from tasks.common.errors import BEST
from tasks.common.records import FOLDER
from tasks.engine.learner import Learner


def trained(learner: Learner, source: str | None) -> dict[str, Any]:
    """`network` by head, `date` (ISO) or None, and `scores`: the main ones of the run's validation images.

    Args:
        source: the checkpoint's path. The folder of its run is looked at for best.ckpt alone, whose scores it has.
    """
    network = {name: f"{type(learner.backbone).__name__} + {task.head.title}" for name, task in learner.each_task()}
    run = Path(source).parent.parent if source is not None and Path(source).name == BEST else None
    metrics = {} if run is None else content(run / "metrics.json")
    known = {key: metrics.get(key) for key in learner.score_keys}
    scores = {key: value for key, value in known.items() if isinstance(value, int | float)}
    started = None if run is None else content(run / FOLDER / "run.json").get("started")
    return {"network": network, "date": day(started), "scores": scores}


def content(path: Path) -> Mapping[str, Any]:
    """The object in a JSON file; {} if there is none: an export needs only the checkpoint."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def day(text: Any) -> str | None:
    """The date of a time as run.json has it."""
    try:
        return date.fromisoformat(str(text)[:10]).isoformat()
    except ValueError:
        return None
