"""Runs a command: checks first, without torch; then training, evaluation or prediction."""

import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from rich.progress import track

from tasks.app.folders import is_writer
from tasks.app.jobs import in_sweep, needs_own_command, run_own_command
from tasks.app.resolve import Settings
from tasks.checkpoint.manifest import read_manifest
from tasks.common.cpu import bind_threads
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.heads import is_multitask, resolve_heads
from tasks.config.overrides import typed_keys
from tasks.config.proportion import check_epoch
from tasks.config.tree import resolved
from tasks.config.unread import as_built
from tasks.data.files.images import find_images
from tasks.data.loading.opened import check_boxes, report_overlap, set_white
from tasks.data.loading.splits import Splits
from tasks.engine.instantiate import make
from tasks.engine.settings import Run


def run(settings: Settings, typed: Sequence[str], folder: Path) -> None:
    """Run one job in its own output folder.

    Args:
        settings: of this command, without those of a checkpoint.
        typed: overrides on the command line.

    Raises:
        UserError: for everything that the user can fix, before any training.
    """
    run, task = settings.run, settings.run.task
    if run.mode == "benchmark":  # in its own processes, whose threads must not be bound
        from tasks.deploy.benchmark import benchmark

        benchmark(run, settings.benchmark, typed, folder)
        return
    if (
        settings.command.bind_threads
        and run.mode != "search"  # has its own processes
        and run.trainer.accelerator in ("auto", "cpu")
        and run.trainer.spec.get("devices") in ("auto", 1)
    ):
        bind_threads(run.trainer.accelerator)
    model = run.source.model
    if model is not None and (made_by := read_manifest(model)["task"]) != task:
        raise UserError(f"model={model} was exported by tasks.{made_by}: use python -m tasks.{made_by}")
    if run.mode == "predict":
        images = find_images(settings.prediction.input)
        if model is not None:  # without PyTorch
            from tasks.deploy.predicting import predict as predict_with_file

            upright = settings.prediction.upright if "upright" in typed_keys(typed) else None
            threads = settings.export.threads
            predict_with_file(model, images, folder, threads=threads, upright=upright, white=run.data.white)
            return
        from tasks.engine.weights import with_checkpoint
        from tasks.predict.checkpoint import predict

        run, _ = with_checkpoint(run, typed)
        predict(run, images, folder, upright=settings.prediction.upright)
        return
    first, sweeping = is_writer(run.mode), in_sweep()
    early = (
        not sweeping
        and run.mode == "train"
        and run.source.resume is None
        and (run.source.checkpoint is None or not is_multitask(run.stored))
    )
    if early:  # independent of the checkpoint's heads and data
        run, dataset = open_dataset(run, settings, first)
    from tasks.app.budget import check_budget
    from tasks.engine import train, weights

    run, trained = weights.with_checkpoint(run, typed)
    settings = Settings.of(run)
    if sweeping and needs_own_command(run):
        run_own_command(task, folder)
        return
    if not early:
        run, dataset = open_dataset(run, settings, first, trained)
    if first:
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(as_built(resolved(run.stored, run.output_dir))))
    if run.mode == "export":
        from tasks.deploy.export import export

        export(run, settings.export, dataset, folder)
        return
    if settings.search is not None:
        from tasks.search.search import search

        search(run, settings.search, dataset, folder)
        return
    prepared = train.prepare(run, dataset)
    if run.mode == "train":
        check_budget(settings.command.budget, prepared.learner, prepared.costs)
        train.train(run, prepared, dataset, folder)
    elif model is None:
        train.evaluate(run, prepared, folder)
    else:
        from tasks.deploy.evaluate import evaluate

        evaluate(run, settings.export, prepared, folder)


def open_dataset(run: Run, settings: Settings, first: bool, trained: Iterable[str] = ()) -> tuple[Run, Splits]:
    """Open and check the data set: its folders, and each file once unless check=false.

    Args:
        trained: heads of the checkpoint from which training starts.

    Returns:
        The run, with the heads of multitask resolved, and the data.

    Raises:
        UserError: for anything that would make training or scoring fail.
    """
    choices: Any = HydraConfig.get().runtime.choices
    name = f"dataset={choices['dataset']}"
    if is_multitask(run.stored):
        run = run.changed(targets=[infos()[head].target for head in run.stored["heads"] or infos()])
    dataset = make(run.data.dataset, "dataset")
    if is_multitask(run.stored):
        heads = resolve_heads(run.stored, dataset.classes, trained, name)
        wanted = [infos()[head].target for head in heads]
        run = run.changed(heads=heads, targets=[target for target in wanted if target in dataset.classes])
    lacking = [target for target in run.data.targets if target not in dataset.classes]
    if lacking:
        raise UserError(f"{name} has no labels of kind {lacking[0]}, only {', '.join(dataset.classes)}")
    val, train = dataset.val(), dataset.train() if run.mode in ("train", "search") else None
    if run.mode in ("train", "evaluate", "search"):
        check_boxes(val, "score against")
    if train is not None:
        check_boxes(train, "learn from")
        if first:
            report_overlap(train, val)
    for samples in (train, val):
        set_white(samples, run.data.white)
    if run.mode == "export" and settings.export.precision == "int8":
        with suppress(UserError):  # without training images, those of val are used
            train = dataset.train()
            set_white(train, run.data.white)
    if run.mode == "train" and train is not None:
        check_epoch(
            len(train),
            repeat=run.data.repeat,
            epochs=run.trainer.max_epochs,
            confirmed=run.learner.confirmed,
        )
    broken: frozenset[str] = frozenset()
    if settings.command.check and first:
        look_through("val", val, allowed=0)
        if train is not None and run.mode in ("train", "search"):
            broken = look_through("train", train, allowed=run.data.max_broken)
    return run, Splits(dataset.classes, train, val, broken, getattr(dataset, "sources", {}))


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
