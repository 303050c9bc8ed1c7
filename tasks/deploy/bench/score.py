"""Scores of what is measured: from what lies beside a file, or by mode=evaluate in a process of its own."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.checkpoint.manifest import NAME, read_json
from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.common.processes import child, command_of, quoted, reason
from tasks.common.task_info import infos
from tasks.deploy.bench.ranking import MEAN

COUNT = "score_images"  # number of images that scores are of
OF_THE_BENCHMARK = ("mode", "model", "checkpoint", "weights", "device", "benchmark", "hydra", "overwrite", "pictures")


def scores_of(metrics: Path | None, tasks: Sequence[str]) -> dict[str, float]:
    """The scores in a metrics.json by name, and `score_images`; of several tasks also `score`, the main ones' mean.

    Raises:
        UserError: for a file that holds no scores.
    """
    if metrics is None or not metrics.is_file():
        return {}
    try:
        found: Any = json.loads(metrics.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{metrics} is no JSON file: {error}") from error
    names = names_of(tasks)
    if not isinstance(found, dict) or not all(found.get(name) is None or is_number(found[name]) for name in names):
        raise UserError(f"{metrics} holds no scores by name")
    scores = {name: found[name] for name in names if found.get(name) is not None}
    counted = {COUNT: found["images"]} if scores and is_number(found.get("images")) else {}
    return with_mean(scores, tasks) | counted


def names_of(tasks: Sequence[str]) -> list[str]:
    """Names of the tasks' scores in metrics.json, the main one of each first."""
    several = len(tasks) > 1
    pairs = [(task, score) for task in tasks for score in infos()[task].scores]
    return [f"{task}/{score}" if several else score for task, score in pairs]


def main_names(tasks: Sequence[str]) -> list[str]:
    """Names of the tasks' main scores in metrics.json."""
    return [f"{task}/{infos()[task].score}" if len(tasks) > 1 else infos()[task].score for task in tasks]


def with_mean(scores: dict[str, float], tasks: Sequence[str]) -> dict[str, float]:
    """With `score`, if there are several tasks and all main scores are known."""
    main = [scores.get(name) for name in main_names(tasks)]
    known = [score for score in main if score is not None]
    return {**scores, MEAN: sum(known) / len(known)} if len(main) > 1 and len(known) == len(main) else scores


def beside(path: Path, manifest: Mapping[str, Any]) -> tuple[dict[str, float], str | None]:
    """The scores of an exported file, and where they are from.

    They are in metrics.json, if the export has scored the file itself; else in model.json, which has the checkpoint's
    (the parity check has found the file to agree). A model.json of another file in the same folder says nothing.

    Raises:
        UserError: for a metrics.json that holds no scores.
    """
    tasks = list(manifest["tasks"])
    own = path.with_name(NAME).is_file() and describes(path.with_name(NAME), path.name, manifest)
    if own and (found := scores_of(path.with_name("metrics.json"), tasks)):
        return found, "metrics.json"
    known = manifest.get("trained")
    stored = known.get("scores") if isinstance(known, Mapping) else None
    main = main_names(tasks)
    scores = {name: stored[name] for name in main if is_number(stored.get(name))} if isinstance(stored, Mapping) else {}
    return (with_mean(scores, tasks), "the checkpoint") if scores else ({}, None)


def describes(description: Path, name: str, manifest: Mapping[str, Any]) -> bool:
    """Whether a model.json is of the file: by its hash, also if the file has another name today."""
    said = read_json(description)
    hashes = said.get("sha256") if isinstance(said, dict) else None
    ours = manifest["sha256"].get(name)
    return isinstance(hashes, dict) and isinstance(said.get("file"), str) and ours in (hashes.get(said["file"]),)


def evaluated(task: str, source: str, tasks: Sequence[str], typed: Sequence[str]) -> dict[str, float]:
    """The scores of a file or checkpoint, by `mode=evaluate` in a process of its own.

    Args:
        source: `model=…` or `checkpoint=…`.
        typed: overrides on the command line; those of the data are used.

    Raises:
        UserError: with the command's error.
    """
    kept = [word for word in typed if word.lstrip("+~").partition("=")[0].partition(".")[0] not in OF_THE_BENCHMARK]
    with tempfile.TemporaryDirectory(prefix="mobilevision_") as name:
        folder, log = Path(name) / "scored", Path(name) / "log"
        words = [*kept, "mode=evaluate", source, "pictures=0", "logger=none", f"hydra.run.dir={quoted(folder)}"]
        with child([*command_of(task), *words], log) as process:
            status = process.wait()
        if status:
            said = log.read_text(encoding="utf-8", errors="replace")
            raise UserError(f"{source} cannot be scored: {reason(said, status)}")
        return scores_of(folder / "metrics.json", tasks)
