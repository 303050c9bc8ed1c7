"""What to measure: exported files, checkpoints, or the configured network."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from heads.sizes import measure
from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.checkpoint.manifest import NAME, metadata_of, read_manifest
from tasks.common.console import report
from tasks.common.entries import short
from tasks.common.errors import BEST, UserError
from tasks.common.formats import size_of
from tasks.common.processes import quoted
from tasks.common.task_info import infos, nameless
from tasks.config.heads import is_multitask, resolve_heads
from tasks.config.tree import put, select
from tasks.deploy.bench.files import content_of, files_in, unlike_most
from tasks.deploy.bench.score import beside, evaluated, scores_of
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
        files: that hold its weights; the first is the one to open.
        score: by name; empty if it has none.
        score_from: metrics.json, the checkpoint, or mode=evaluate; None without a score.
        manifest: of an exported file.
        source: `model=…` or `checkpoint=…`; "" for a network without weights.
        heads: names of its tasks.
    """

    name: str
    job: dict[str, Any]
    learner: Learner | None
    files: Sequence[Path]
    score: dict[str, float]
    score_from: str | None = None
    manifest: Mapping[str, Any] | None = None
    source: str = ""
    heads: Sequence[str] = ()

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


class Found(NamedTuple):
    """What is measured, and a line for each file that is not."""

    candidates: list[Candidate]
    left_out: list[str]


def candidates(run: Run, settings: BenchmarkSettings, overrides: Sequence[str]) -> Found:
    """All files named in the settings and in their folders, or the network of the run if there are none.

    Args:
        overrides: as typed.

    Raises:
        UserError: for checkpoints that are missing, damaged or of another task, and networks that cannot be built; for
            exported files if none is left.
    """
    common = {key: getattr(settings, key) for key in ("threads", "warmup", "photo", "size")}
    models = files_in(settings.models)
    names = short_names([str(path) for path in (*settings.checkpoints, *models)])
    found = [of_checkpoint(run, overrides, path, names[str(path)], common) for path in settings.checkpoints]
    if not models:
        return Found(found or [of_run(run, settings.classes, common)], [])
    opened, left_out = tried(models, lambda path: of_file(run.task, path, names[str(path)], common))
    contents = {each.name: content_of(each.files[0], each.manifest) for each in opened if each.manifest is not None}
    others = unlike_most(contents)
    left_out += [f"{short(name)}: {why}" for name, why in others.items()]
    return Found([*found, *(each for each in opened if each.name not in others)], left_out)


def tried(paths: Sequence[Path], read: Callable[[Path], Candidate]) -> tuple[list[Candidate], list[str]]:
    """What can be read, and a line for each that cannot.

    Raises:
        UserError: if none can be read; with the error of a single one.
    """
    found, errors = [], []
    for path in paths:
        try:
            found.append(read(path))
        except UserError as error:
            errors.append(error)
    if not found and errors:
        raise errors[0] if len(errors) == 1 else nothing_left([str(error) for error in errors])
    return found, [str(error) for error in errors]


def nothing_left(lines: Sequence[str]) -> UserError:
    """The error for files of which none can be measured; each one's line is printed."""
    for line in lines:
        report(f"left out  {line}")
    return UserError(f"none of the {len(lines)} files can be measured; the first: {lines[0]}")


def scored(candidate: Candidate, task: str, overrides: Sequence[str]) -> Candidate:
    """With scores from mode=evaluate; unchanged if it has no weights.

    Raises:
        UserError: if it cannot be scored.
    """
    if not candidate.source:
        return candidate
    report(f"scoring   {short(candidate.name)}")
    found = evaluated(task, candidate.source, candidate.heads, overrides)
    return candidate._replace(score=found, score_from="mode=evaluate")


def of_checkpoint(run: Run, overrides: Sequence[str], path: Path, name: str, common: Mapping[str, Any]) -> Candidate:
    """A checkpoint's network, as configured, with the typed overrides on top."""
    run, _ = with_checkpoint(run.changed(checkpoint=str(path), model=None), overrides)
    metadata = open_checkpoint(path, run.task)["mobilevision"]
    folder = path.parent.parent
    best = path.name == BEST or not path.with_name(BEST).is_file()  # the checkpoint that a run scores
    metrics = folder / "metrics.json" if best else None
    candidate = of_network(name, run, classes_of(metadata), sources_of(metadata), common, [path], metrics)
    return candidate._replace(source=f"checkpoint={quoted(path)}")


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
    heads, scores = list(learner.tasks), scores_of(metrics, list(learner.tasks))
    plain_classes = {kind: plain_of(entries) for kind, entries in classes.items()}
    job = {**common, "task": run.task, "config": dict(run.stored), "classes": plain_classes, "sources": dict(sources)}
    return Candidate(name, job, learner, files, scores, "metrics.json" if scores else None, heads=heads)


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
    files = [path, *(path.with_name(file) for file in manifest["sha256"] if file not in (path.name, NAME))]
    scores, origin = beside(path, manifest)
    source, heads = f"model={quoted(path)}", list(manifest["tasks"])
    job = {**common, "model": str(path)}
    return Candidate(name, job, learner, files, scores, origin, manifest, source, heads)
