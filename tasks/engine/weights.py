"""Loads the weights that a network starts from or is scored with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backbones.weights import load_head, load_weights
from tasks.checkpoint.checkpoint import (
    BALANCE,
    for_data_sets,
    load_state,
    open_checkpoint,
    separate_statistics_of,
    start_from,
)
from tasks.checkpoint.manifest import metadata_of
from tasks.checkpoint.metadata import REINITIALIZED
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.config.heads import head_configs, is_multitask, with_data_sets
from tasks.config.overrides import add_heads, apply_overrides, leaves, left_behind, typed_keys
from tasks.config.tree import Tree, put, select
from tasks.engine.learner import Learner
from tasks.engine.load_report import LoadReport, NotNeeded, Reinitialized, shapes_of
from tasks.engine.resume_checks import check_resumable
from tasks.engine.rounding.attach import attach
from tasks.engine.settings import Run

MOST = 4  # settings that a message names


def with_checkpoint(run: Run, overrides: Sequence[str]) -> tuple[Run, list[str]]:
    """Settings of the checkpoint to resume, evaluate or predict with, with the typed overrides applied.

    Multitask training may also start from the checkpoint's backbone and heads, and add other heads.

    Returns:
        The settings and the names of the checkpoint's heads.

    Raises:
        UserError: for a checkpoint of another task, or a stored value that violates its rule, with the file's name.
    """
    if run.source.model is not None:
        metadata = metadata_of(run.source.model)
        return of_file(run, apply_overrides(metadata["config"], run.stored, overrides), run.source.model), list(
            metadata["tasks"]
        )
    path = run.source.resume or run.source.checkpoint
    if path is None or (run.trains and run.source.resume is None and not is_multitask(run.stored)):
        return run, []
    checkpoint = open_checkpoint(path, run.task)
    metadata = checkpoint["mobilevision"]
    if run.source.resume is not None:
        check_resumable(checkpoint, path, averaged=metadata["config"].get("ema", run.ema) is not None)
    if run.mode == "evaluate" and (left := left_behind(metadata["config"], run.stored, overrides)):
        report(f"dataset=… was typed, so {path}'s {left} is not taken; without dataset=… it is, below what is typed")
    grows = run.mode == "train" and run.source.resume is None
    tree = (
        add_heads(metadata, run.stored, overrides)
        if grows
        else apply_overrides(metadata["config"], run.stored, overrides)
    )
    if select(tree, "backbone.pretrained"):
        tree = put(tree, "backbone.pretrained", False)  # the checkpoint has the weights: nothing to download
    if run.mode == "evaluate" and tree.get("datasets") and "datasets" not in typed_keys(overrides):
        needed = {
            source for head in head_configs(tree) for source in metadata["tasks"].get(head, {}).get("datasets", ())
        }
        tree = with_data_sets(tree, needed)
    if run.mode == "evaluate" and (has := separate_statistics_of(metadata)):
        names = list(tree.get("datasets") or ())
        check_known(names, has, path)
        tree["batchnorm"] = "separate" if len(names) > 1 else "shared"
    return of_file(run, tree, path), list(metadata["tasks"])


def of_file(run: Run, tree: Tree, path: str) -> Run:
    """Settings from a file's configuration after overrides; errors name the file."""
    try:
        return Run.of(run.task, tree, run.output_dir)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def check_known(names: Sequence[str], has: Sequence[str], path: str) -> None:
    """Raises a UserError for a data set that a checkpoint with separate statistics has no statistics for."""
    for name in names or [""]:
        if name not in has:
            raise UserError(
                f"{path} keeps the statistics of {', '.join(has)} apart: name the data set after the one whose "
                f"statistics to use, datasets={{{has[0]}:…}}"
            )


def sources_of(metadata: Mapping[str, Any]) -> dict[str, list[str]]:
    """For a checkpoint trained on a mixture, the data sets that have each kind of label."""
    return {entry["target"]: entry["datasets"] for entry in metadata["tasks"].values() if entry.get("datasets")}


def classes_of_inactive(run: Run, heads: Sequence[str]) -> dict[str, Sequence[Any]]:
    """Classes of heads that the data has no labels for, read from the checkpoint that contains them."""
    if not heads:
        return {}
    path = run.source.resume or run.source.checkpoint
    assert path is not None, "a head without labels comes from a checkpoint"
    entries = open_checkpoint(path, run.task)["mobilevision"]["tasks"]
    return {entries[name]["target"]: entries[name]["classes"] for name in heads}


def classes_of(metadata: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """Classes that a checkpoint was trained on, by kind of label."""
    return {entry["target"]: entry["classes"] for entry in metadata["tasks"].values()}


def start(run: Run, learner: Learner, folder: Path | None = None) -> list[str]:
    """Load the weights that a training starts from (`checkpoint=`, `weights=`), and report what was loaded.

    With `resume=` nothing is loaded here: Lightning does that when training starts.

    Args:
        folder: for weights.json, see load_report.LoadReport; None to write nothing.

    Returns:
        Names of the tensors that stay newly initialised: those not taken from the file; with `resume=`, those recorded
        when the resumed run started.

    Raises:
        UserError: for weights that do not fit.
    """
    source, path = run.source, run.source.checkpoint
    if source.resume is not None:
        return list(open_checkpoint(source.resume, run.task)["mobilevision"].get(REINITIALIZED, []))
    if source.weights is not None:
        return start_from_weights(learner, source.weights, folder)
    if path is None:
        return new_heads(learner) if select(run.stored, "backbone.pretrained") else []
    checkpoint = open_checkpoint(path, run.task)
    trained = checkpoint["mobilevision"]["tasks"]
    if has := separate_statistics_of(checkpoint["mobilevision"]):
        check_statistics(run, learner, trained, has)
        checkpoint = for_data_sets(checkpoint, run.learner.datasets)
    known = [(name, entry) for name, entry in learner.each_task() if name in trained]
    other = [
        name
        for name, entry in known
        if without_label_ids(trained[name]["classes"]) != without_label_ids(entry.metadata()["classes"])
    ]
    for name in sorted(learner.frozen - {"backbone"}):
        if name not in trained:
            raise UserError(f"{name}.frozen=true, but {path} has no head {name}, only {', '.join(trained)}")
        if name in other:
            raise UserError(f"{name}.frozen=true, but {path} knows other classes than the data set")
    state = checkpoint["state_dict"]
    ours = learner.state_dict()
    try:
        new = start_from(learner, checkpoint, path, other)
    except UserError as error:
        raise UserError(f"{error}{other_network(checkpoint['mobilevision']['config'], run.stored)}") from None
    added = [name for name in learner.tasks if name not in trained]
    found = LoadReport.of_state(path, ours, state, new, learner.backbone, ignored=BALANCE)
    dropped = [name for name in trained if name not in learner.tasks]
    report(found.line(added, dropped, "" if added else " for other classes"))
    if folder is not None:
        found.write(folder)
    return new


def other_network(theirs: Tree, ours: Tree) -> str:
    """How the settings of a checkpoint's network differ from ours, in a few words; "" if they do not."""
    found = []
    for part in ("backbone", "head"):
        trained, here = (dict(leaves(select(tree, part), part)) for tree in (theirs, ours))
        kind = f"{part}._target_"
        if trained.get(kind) != here.get(kind):
            names = [str(each.get(kind)).rpartition(".")[2] for each in (trained, here)]
            found.append(f"{part} {names[0]} (here {names[1]})")
        else:
            shared = [key for key in trained if key in here and trained[key] != here[key]]
            found += [f"{key}={written(trained[key])} (here {written(here[key])})" for key in shared]
    return f"; it was trained with {', '.join(found[:MOST])}" if found else ""


def written(value: Any) -> str:
    """A setting as it is typed."""
    return json.dumps(value).strip('"')


def new_heads(learner: Learner) -> list[str]:
    """Names of all tensors of the heads, which backbone.pretrained=true has nothing for.

    Raises:
        UserError: for a frozen head.
    """
    for name in sorted(learner.frozen - {"backbone"}):
        raise UserError(f"{name}.frozen=true, but backbone.pretrained=true has nothing for a head")
    return [f"tasks.{head}.head.{name}" for head, entry in learner.each_task() for name in entry.head.state_dict()]


def start_from_weights(learner: Learner, source: str, folder: Path | None) -> list[str]:
    """start() with third-party weights.

    Raises:
        UserError: as take_weights(), and for a frozen head that they do not have.
    """
    found = take_weights(learner, source)
    report(found.line())
    if folder is not None:
        found.write(folder)
    for entry in found.reinitialized:
        head = entry.name.split(".")[1]
        if head in learner.frozen:
            raise UserError(f"{head}.frozen=true, but weights={source} have nothing for {entry}")
    return [entry.name for entry in found.reinitialized]


def check_statistics(run: Run, learner: Learner, trained: Mapping[str, Any], has: Sequence[str]) -> None:
    """Check that training from separate statistics keeps them separate, with those that frozen heads need.

    Raises:
        UserError: if not.
    """
    if not run.learner.separate_statistics:
        raise UserError(
            f"{run.source.checkpoint} keeps the statistics of {', '.join(has)} apart: batchnorm=separate goes on so, "
            "python -m tasks.multitask.prune makes a checkpoint of one head"
        )
    for name in sorted(learner.frozen & set(trained)):
        own = (trained[name].get("datasets") or [""])[0]
        if own and own not in run.learner.datasets:
            raise UserError(f"{name}.frozen=true needs the statistics of {own}: keep it in datasets=…")


def load_for_inference(run: Run, learner: Learner) -> None:
    """Load all weights for scoring or prediction: our checkpoint, or a whole network in torchvision's layout.

    Of an exported file, only the metadata is taken.

    Raises:
        UserError: for weights that do not fit, that leave a layer at its initial values, or that were trained on
            different classes or in a different order.
    """
    source, path = run.source, run.source.checkpoint
    if source.model is not None:
        trained = metadata_of(source.model)["tasks"]
        for name, entry in learner.each_task():
            entry.recall(trained[name])
            same_classes(trained[name]["classes"], entry.metadata()["classes"], source.model)
    if path is not None:
        checkpoint = open_checkpoint(path, run.task)
        trained = checkpoint["mobilevision"]["tasks"]
        for name, entry in learner.each_task():
            if name not in trained:
                raise UserError(f"{path} has no head {name}, only {', '.join(trained)}")
            entry.recall(trained[name])
            head = f"{path} ({name})" if len(trained) > 1 else path
            same_classes(trained[name]["classes"], entry.metadata()["classes"], head)
        if "batchnorm" in run.stored and run.mode == "evaluate":
            checkpoint = for_data_sets(checkpoint, run.learner.datasets)
        if run.learner.rounding is not None and run.mode in ("evaluate", "predict", "export"):
            attach(learner, run.learner.rounding)
        if learner.rounding is not None and run.mode != "export":
            form = learner.rounding.form
            report(f"rounding  as int8 files of {form} round; quantise.aware=false: the network in float")
        load_state(learner, checkpoint, path)
    if path is not None or source.model is not None:
        return
    found = take_weights(learner, str(source.weights))
    report(found.line())
    if found.reinitialized:
        missing = found.reinitialized[0]
        raise UserError(f"weights={source.weights} has nothing for the head ({missing} …): it can only be trained on")


def same_classes(trained: Sequence[Any], here: Sequence[Any], path: str) -> None:
    """Raises a UserError at the first class that differs between checkpoint and data set."""
    if len(trained) != len(here):
        raise UserError(f"{path} knows {len(trained)} classes, the data set has {len(here)}")
    for number, (theirs, ours) in enumerate(zip(map(compared, trained), map(compared, here), strict=True)):
        if theirs != ours:
            raise UserError(f"class {number} is {theirs} in {path} and {ours} in the data set")


def compared(entry: Any) -> Any:
    """What must be alike of a class: the name alone if it is a label map's: ids and colours are those of its files."""
    return entry[0] if len(entry) == 3 and not isinstance(entry, str) else entry


def without_label_ids(classes: Sequence[Any]) -> list[Any]:
    """Classes without label-map ids, which belong to a data set's files and not to the network's output."""
    return [[entry[0], *entry[2:]] if len(entry) == 3 and not isinstance(entry, str) else entry for entry in classes]


def numbered_as_trained(run: Run, classes: Mapping[str, Sequence[Any]]) -> Mapping[str, Sequence[Any]]:
    """Classes for mode=export: label maps get the ids of the files that the checkpoint was trained on."""
    path = run.source.checkpoint
    if run.mode != "export" or path is None or "mask" not in classes:
        return classes
    trained = classes_of(open_checkpoint(path, run.task)["mobilevision"]).get("mask", ())
    alike = without_label_ids(trained) == without_label_ids(
        [[name, number, list(colour)] for name, number, colour in classes["mask"]]
    )
    return {**classes, "mask": trained} if alike else classes


def take_weights(learner: Learner, source: str) -> LoadReport:
    """Load third-party weights into the backbone and, as far as the layouts match, into the head.

    Returns:
        What was loaded. The file's tensors that are left over after a head are offered to the next one.

    Raises:
        UserError: for weights that do not fit the backbone.
    """
    try:
        loaded = load_weights(learner.backbone, source)
    except ValueError as error:
        raise UserError(str(error)) from error
    matched = [f"backbone.{name}" for name in loaded.matched]
    made: list[Reinitialized] = []
    rest = {**loaded.not_needed, **loaded.rest}  # a head may begin with the same kinds of tensors as dropped layers
    for head, task in learner.each_task():
        offered = list(rest.values())
        taken, rest = load_head(task.head, rest)
        ours = task.head.state_dict()
        missing = ours.keys() - set(taken)
        alike = len(offered) == len(ours) and all(".classify" in f".{name}" for name in missing)  # of other classes
        for (name, tensor), was in zip(ours.items(), offered if alike else [None] * len(ours), strict=True):
            full = f"tasks.{head}.head.{name}"
            if name in missing:
                made.append(Reinitialized(full, tuple(tensor.shape), None if was is None else tuple(was.shape)))
            else:
                matched.append(full)
    left = shapes_of(rest)
    dropped = {name: left.pop(name) for name in loaded.not_needed if name in left}
    not_needed = NotNeeded(learner.backbone.deepest, dropped)
    return LoadReport(loaded.source, matched, made, left, not_needed, loaded.notes)
