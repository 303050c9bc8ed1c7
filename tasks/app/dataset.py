"""Opens the data set of a run and checks it before anything is trained or scored."""

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.progress import track

from tasks.app.resolve import Settings
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.heads import is_multitask, resolve_heads
from tasks.config.proportion import check_epoch
from tasks.config.tree import Spec
from tasks.data.inspect.quick import quick_lines
from tasks.data.loading.holdout import hold_out
from tasks.data.loading.share import take_share
from tasks.data.loading.split_checks import check_boxes, report_overlap, set_white
from tasks.data.loading.splits import Splits
from tasks.data.loading.upright import answer_for, both_counted, follow, look_at_turns
from tasks.data.packed.place import is_address
from tasks.engine.instantiate import make
from tasks.engine.settings import Run


def open_dataset(run: Run, settings: Settings, first: bool, trained: Iterable[str] = ()) -> tuple[Run, Splits]:
    """Open and check the data set: its folders, and each file once unless check=false.

    Without that check, photos with an EXIF turn are still looked for: see tasks/data/loading/upright.py.

    Args:
        first: whether this process is the one that reports and checks files.
        trained: heads of the checkpoint from which training starts.

    Returns:
        The run, with the heads of multitask and `upright` resolved, and the data.

    Raises:
        UserError: for anything that would make training or scoring fail.
    """
    run, dataset = make_dataset(run, trained)
    val, train = dataset.val(), dataset.train() if run.mode in ("train", "search") else None
    if run.mode in ("train", "evaluate", "search"):
        check_boxes(val, "score against")
    for split, samples in (("training", train), ("validation", val)):
        if samples is not None and len(samples) == 0:
            raise UserError(f"{name_of_dataset()} has no {split} images")
    if train is not None:
        check_boxes(train, "learn from")
        if first:
            report_overlap(train, val, drawable=is_drawable(run.data.dataset))
    if run.mode == "export" and settings.export.precision == "int8":
        with suppress(UserError):  # without training images, those of val are used
            train = dataset.train()
    for samples in (train, val):
        set_white(samples, run.data.white)
        follow(samples, run.upright)
    if run.mode == "train" and train is not None:
        check_epoch(
            len(train),
            repeat=run.data.repeat,
            epochs=run.trainer.max_epochs,
            confirmed=run.learner.confirmed,
        )
    broken: frozenset[str] = frozenset()
    if settings.command.check and first:
        with both_counted(train if run.mode in ("train", "search") else None):
            look_through("val", val, allowed=0)
        if train is not None and run.mode in ("train", "search"):
            broken = look_through("train", train, allowed=run.data.max_broken)
            for line in quick_lines(train, val, dataset.classes):
                report(line)
    elif first and run.mode in ("train", "evaluate", "search"):
        with both_counted(train):
            look_at_turns(val)
        if train is not None:
            look_at_turns(train)
    if run.upright is None:
        run = run.changed(upright=answer_for((train, val)))
    splits = Splits(dataset.classes, train, val, broken, getattr(dataset, "sources", {}))
    if train is None or run.mode not in ("train", "search"):
        return run, splits
    if run.data.holdout:
        kept, held, record = hold_out(train, run.data.holdout)
        if first:
            report(f"held out  {len(held):,} of {len(train):,} training images")
        splits = splits._replace(train=kept, held=held, holdout=record)
    return run, with_share(run, splits, first)


def with_share(run: Run, splits: Splits, first: bool) -> Splits:
    """The data with the share of the training images that `data.share` keeps."""
    if run.data.share == 1:
        return splits
    train, distinct = take_share(splits.train, run.data.share, run.seed, run.data.targets)
    if first:
        report(f"share     {distinct:,} of {len(train):,} training images, {len(train) / distinct:.3g} times an epoch")
    return splits._replace(train=train, distinct=distinct)


def is_drawable(spec: Spec) -> bool:
    """Whether a data set can draw its validation images, and was not told to."""
    val = spec.get("val")
    return isinstance(val, Mapping) and val.get("share") is None


def name_of_dataset() -> str:
    """The data set as it is typed, for messages."""
    choices: Any = HydraConfig.get().runtime.choices
    return f"dataset={choices['dataset']}"


def make_dataset(run: Run, trained: Iterable[str]) -> tuple[Run, Any]:
    """The data set, and the run with those heads of multitask that it has labels for.

    Raises:
        UserError: for a data set without the labels that the run's heads learn from.
    """
    name = name_of_dataset()
    if is_multitask(run.stored):
        run = run.changed(targets=[infos()[head].target for head in run.stored["heads"] or infos()])
    spec = run.data.dataset
    if spec.get("root", "") is None and "train" not in spec:  # those with train may name files instead
        raise UserError("dataset.root=null is not a folder")
    if is_address(root := spec.get("root", "")) and spec["_target_"].startswith("tasks.data.datasets."):
        raise UserError(
            f"dataset.root={root}: {name} reads a folder; only dataset=packed reads an address, where python -m "
            "tasks.pack has written it from a folder"
        )
    dataset = make(spec, "dataset")
    if missing := [name for name in ("classes", "train", "val") if not hasattr(dataset, name)]:
        raise TypeError(f"the data set {type(dataset).__name__} has no {missing[0]}; see examples/shapes.py")
    if is_multitask(run.stored):
        for head in run.stored["heads"] or ():
            how = getattr(dataset, "unread", {}).get(infos()[head].target)
            if how:
                raise UserError(f"{name} does not read labels of kind {infos()[head].target} here: {how}")
        heads = resolve_heads(run.stored, dataset.classes, trained, name)
        targets = [infos()[head].target for head in heads]
        run = run.changed(heads=heads, targets=[target for target in targets if target in dataset.classes])
    missing = [target for target in run.data.targets if target not in dataset.classes]
    if missing:
        raise UserError(f"{name} has no labels of kind {missing[0]}, only {', '.join(dataset.classes)}")
    return run, dataset


def look_through(name: str, samples: Any, allowed: int) -> frozenset[str]:
    """Check every file of a split; unreadable ones are printed and returned.

    Raises:
        UserError: if there are more than `allowed`.
    """
    broken: set[str] = set()
    steps = track(samples.check(), f"checking {name}", len(samples), disable=not sys.stdout.isatty(), transient=True)
    for index, problem in enumerate(steps):
        if not isinstance(problem, UserError):
            continue
        if len(broken) == allowed:
            more = f" (after {allowed} more; data.max_broken={allowed} allows no more)" if allowed else ""
            raise UserError(f"{problem}{more}")
        broken.add(samples.name(index))
        print(f"skipped ({len(broken)}): {problem}", flush=True)
    return frozenset(broken)
