"""What to measure: exported files, checkpoints, or the configured network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from heads.sizes import measure
from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.checkpoint.manifest import metadata_of, read_manifest
from tasks.common.errors import UserError
from tasks.common.formats import size_of
from tasks.common.task_info import infos, nameless
from tasks.config.heads import is_multitask, resolve_heads
from tasks.config.tree import put, select
from tasks.deploy.bench.table import short_names
from tasks.deploy.settings import BenchmarkSettings
from tasks.engine.build import build, user_errors
from tasks.engine.instantiate import make
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.summary import EveryHead, on_meta
from tasks.engine.trained import build_again
from tasks.engine.weights import classes_of, sources_of, with_checkpoint


class Candidate(NamedTuple):
    """Something to measure.

    Attributes:
        name: in the table.
        job: input of tasks/deploy/bench/child.py.
        learner: the network, for counting; None if its description cannot be built here.
        files: that hold its weights.
        score: by metric name, from a metrics.json next to the file; empty if there is none.
    """

    name: str
    job: dict[str, Any]
    learner: Learner | None
    files: Sequence[Path]
    score: dict[str, float]

    def bytes(self) -> int | None:
        """Total size of its files; None without files."""
        return sum(size_of(path) for path in self.files) if self.files else None

    def costs(self, height: int, width: int) -> dict[str, int | None]:
        """Parameters and multiply-adds for one image of this size; None if unknown."""
        if self.learner is None:
            return {"params": None, "multiply_adds": None}
        heads = EveryHead({name: task.head for name, task in self.learner.each_task()}).to("meta")
        size = measure(on_meta(self.learner.backbone), heads, height, width)
        return {"params": size.params, "multiply_adds": size.madds}


def candidates(run: Run, settings: BenchmarkSettings, overrides: Sequence[str]) -> list[Candidate]:
    """All files named in the settings, or the network of the run if there are none.

    Args:
        overrides: as typed.

    Raises:
        UserError: for files that are missing, damaged or of another task, and networks that cannot be built.
    """
    common = {key: getattr(settings, key) for key in ("threads", "warmup", "photo", "size")}
    names = short_names([str(path) for path in (*settings.checkpoints, *settings.models)])
    found = [of_checkpoint(run, overrides, path, names[str(path)], common) for path in settings.checkpoints]
    found += [of_file(run.task, path, names[str(path)], common) for path in settings.models]
    return found or [of_run(run, settings.classes, common)]


def of_checkpoint(run: Run, overrides: Sequence[str], path: Path, name: str, common: Mapping[str, Any]) -> Candidate:
    """A checkpoint's network, as configured, with the typed overrides on top."""
    run, _ = with_checkpoint(run.changed(checkpoint=str(path), model=None), overrides)
    metadata = open_checkpoint(path, run.task)["mobilevision"]
    folder = path.parent.parent
    best = path.name == "best.ckpt" or not path.with_name("best.ckpt").is_file()  # the checkpoint that a run scores
    metrics = folder / "metrics.json" if best else None
    return of_network(name, run, classes_of(metadata), sources_of(metadata), common, [path], metrics)


def of_run(run: Run, classes: int | None, common: Mapping[str, Any]) -> Candidate:
    """The network of a run with its initial weights.

    Args:
        classes: number for each kind of label; None for the data set's classes.
    """
    candidate = of_network("", *with_classes(run, classes), {}, common, [], None)
    assert candidate.learner is not None
    heads = [entry.head.title for _, entry in candidate.learner.each_task()]
    return candidate._replace(name=" + ".join([type(candidate.learner.backbone).__name__, *heads]))


def of_network(
    name: str,
    run: Run,
    classes: Mapping[str, Sequence[Any]],
    sources: Mapping[str, Sequence[str]],
    common: Mapping[str, Any],
    files: Sequence[Path],
    metrics: Path | None,
) -> Candidate:
    """A network in PyTorch."""
    tree = run.stored
    if select(tree, "backbone.pretrained"):
        tree = put(tree, "backbone.pretrained", False)  # no download needed: the cost is the same
    if common["size"] is not None:
        fit = {"_target_": "tasks.data.transforms.letterbox.Stretch", "size": common["size"]}
        tree = put(tree, "data.fit", fit)
    run = run.changed(**tree)
    learner = build(run.learner, classes, sources)
    plain_classes = {kind: plain_of(entries) for kind, entries in classes.items()}
    job = {**common, "task": run.task, "config": dict(run.stored), "classes": plain_classes, "sources": dict(sources)}
    return Candidate(name, job, learner, files, score_of(metrics, list(learner.tasks)))


def plain_of(entries: Sequence[Any]) -> list[Any]:
    """Classes as JSON-compatible lists and strings."""
    return [entry if isinstance(entry, str) else list(entry) for entry in entries]


def with_classes(run: Run, count: int | None) -> tuple[Run, Mapping[str, Sequence[Any]]]:
    """A run with resolved heads, and its network's classes by kind of label.

    Args:
        count: number of each kind; None for the data set's classes.

    Raises:
        UserError: for a data set that is missing or has no labels of this kind.
    """
    if is_multitask(run.stored):
        run = run.changed(targets=[infos()[head].target for head in run.stored["heads"] or infos()])
    if count is not None:
        classes: Mapping[str, Sequence[Any]] = nameless(count)
    else:
        try:
            with user_errors():
                classes = make(run.data.dataset, "dataset").classes
        except UserError as error:
            raise UserError(f"{error}\nbenchmark.classes=<number of classes> measures without the data") from error
    if is_multitask(run.stored):
        run = run.changed(heads=resolve_heads(run.stored, classes, (), "the data set"))
    elif (target := run.data.targets[0]) not in classes:
        raise UserError(f"the data set has no labels of kind {target}, only {', '.join(classes)}")
    return run, classes


def of_file(task: str, path: Path, name: str, common: Mapping[str, Any]) -> Candidate:
    """An exported file, with the network it was made from."""
    manifest = read_manifest(path)
    if manifest["task"] != task:
        raise UserError(f"model={path} was exported by tasks.{manifest['task']}, not tasks.{task}")
    try:
        learner: Learner | None = build_again(metadata_of(path), path).learner
    except UserError:  # missing, newer version or missing package; the file still runs
        learner = None
    files = [path.with_name(file) for file in manifest.get("sha256") or [path.name]]
    score = score_of(path.with_name("metrics.json"), list(manifest["tasks"]))
    return Candidate(name, {**common, "model": str(path)}, learner, files, score)


def score_of(metrics: Path | None, tasks: Sequence[str]) -> dict[str, float]:
    """The main score of a run by name (for several tasks `score`, the mean); empty without such a file."""
    if metrics is None or not metrics.is_file():
        return {}
    try:
        scores: Any = json.loads(metrics.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{metrics} is no JSON file: {error}") from error
    main = {task: infos()[task].score for task in tasks}
    names = [f"{task}/{score}" if len(tasks) > 1 else score for task, score in main.items()]
    if not isinstance(scores, dict) or not all(isinstance(scores.get(name), int | float | None) for name in names):
        raise UserError(f"{metrics} holds no scores by name")
    if len(tasks) == 1:
        found = {names[0]: scores.get(names[0])}
    else:
        each: list[Any] = [scores.get(name) for name in names]
        found = {"score": None if None in each else sum(each) / len(each)}
    return {name: value for name, value in found.items() if value is not None}
