"""Runs a command: checks first, without torch; then training, evaluation or prediction."""

import os
from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from tasks.app.dataset import open_dataset
from tasks.app.early import SHARED
from tasks.app.fitted import fitted
from tasks.app.folders import is_writer
from tasks.app.jobs import in_sweep, needs_own_command, run_own_command
from tasks.app.resolve import Settings
from tasks.app.validate import tell_idle
from tasks.checkpoint.manifest import read_manifest
from tasks.checkpoint.peek import check_task, trained_by
from tasks.common.console import report
from tasks.common.cpu import bind_threads, spin_briefly
from tasks.common.errors import UserError
from tasks.common.garbage import without_collection
from tasks.common.ranks import launched
from tasks.config.heads import is_multitask
from tasks.config.overrides import typed_keys
from tasks.config.tree import resolved
from tasks.config.unread import as_built
from tasks.data.loading.upright import answer_without_data
from tasks.engine.settings import Run
from tasks.predict.sources import find_sources, is_video
from tasks.report.write import finish


def run(settings: Settings, typed: Sequence[str], folder: Path) -> None:
    """Run one job in its own output folder.

    Args:
        settings: of this command, without those of a checkpoint.
        typed: overrides on the command line.

    Raises:
        UserError: for everything that the user can fix, before any training.
    """
    run = settings.run
    if run.mode == "benchmark":  # in its own processes, whose threads must not be bound
        from tasks.deploy.bench.device_text import read_device
        from tasks.deploy.bench.ranking import check_rank

        check_rank(run.task, settings.benchmark.rank)  # a mistake shows before torch is imported
        paths = list(settings.benchmark.device)
        device = read_device(paths) if paths else None
        from tasks.deploy.benchmark import benchmark

        benchmark(run, settings.benchmark, typed, folder, device)
        report(finish(folder, state="finished"))
        return
    check_machines(run)
    spin_briefly()
    if (
        settings.command.bind_threads
        and run.mode != "search"  # has its own processes
        and run.trainer.accelerator in ("auto", "cpu")
        and run.trainer.spec.get("devices") in ("auto", 1)
        and (launched() or 1) == 1  # several processes would bind to the same cores
    ):
        bind_threads(run.trainer.accelerator)
    model = run.source.model
    if model is not None and (made_by := read_manifest(model)["task"]) != run.task:
        raise UserError(f"model={model} was exported by tasks.{made_by}: use python -m tasks.{made_by}")
    for path in filter(None, (run.source.checkpoint, run.source.resume)):
        if trained := trained_by(path):  # a mistake shows before torch is imported
            check_task(path, run.task, *trained)
    if run.mode == "predict":
        predict_images(settings, typed, folder)
    else:
        run_with_data(settings, typed, folder)


def check_machines(run: Run) -> None:
    """Raise UserError for a run on several machines that nobody starts: it would wait for them for half an hour."""
    nodes = run.trainer.spec.get("num_nodes", 1)
    if run.mode in SHARED and nodes > 1 and launched() is None and "MASTER_ADDR" not in os.environ:
        raise UserError(
            f"trainer.num_nodes={nodes}: neither torchrun nor srun has started this process, and MASTER_ADDR, where "
            "the others would be met, is not set: see docs/nodes.md"
        )


def predict_images(settings: Settings, typed: Sequence[str], folder: Path) -> None:
    """`mode=predict`, with a checkpoint or an exported file."""
    run = settings.run
    sources = find_sources(settings.prediction.input)
    if not any(map(is_video, sources)):
        check_frames(settings, typed_keys(typed))
    if len(sources) == 1 and is_video(sources[0]):
        from tasks.predict.videos import open_video

        open_video(sources[0]).close()  # a mistake shows before torch is imported
    if run.source.model is not None:  # without PyTorch
        from tasks.deploy.predicting import predict as predict_with_file

        predict_with_file(
            run.source.model,
            sources,
            folder,
            threads=settings.export.threads,
            upright=settings.prediction.upright if "upright" in typed_keys(typed) else None,
            white=run.data.white,
            which=settings.prediction.frames,
        )
        return
    with without_collection("lightning"):
        from tasks.engine.weights import with_checkpoint
        from tasks.predict.checkpoint import predict

    run, _ = with_checkpoint(run, typed)
    upright = answer_without_data(run.data.dataset) if run.upright is None else run.upright
    predict(run, sources, folder, upright=upright, which=settings.prediction.frames)


def check_frames(settings: Settings, keys: set[str]) -> None:
    """Raise UserError for typed keys about the frames of videos, where the input is photos alone."""
    (every, most), given = settings.prediction.frames, settings.prediction.input
    for key, value in (("predict.every", None if every == 1 else every), ("predict.frames", most)):
        if key in keys and value is not None:
            raise UserError(f"{key}={value} has no effect without a video or camera: input={given}")


def run_with_data(settings: Settings, typed: Sequence[str], folder: Path) -> None:
    """Train, evaluate, export or search: open the checkpoint and the data set, then go to the mode's room."""
    run, first, sweeping = settings.run, is_writer(settings.run.mode), in_sweep()
    early = (
        not sweeping
        and run.mode == "train"
        and run.source.resume is None
        and (run.source.checkpoint is None or not is_multitask(run.stored))
    )
    if early:  # independent of the checkpoint's heads and data; mistakes show before torch is imported
        run, dataset = open_dataset(run, settings, first)
    with without_collection("lightning"):
        from tasks.app.budget import check_budget
        from tasks.engine import prepare, scoring, train, weights

    asked, (run, trained) = run, weights.with_checkpoint(run, typed)
    settings = Settings.of(run)
    if run.stored != asked.stored:  # what the checkpoint decides over
        tell_idle(run.stored, typed_keys(typed), sweeping)
    if sweeping and needs_own_command(run):
        run_own_command(run.task, typed, folder)
        return
    if not early:
        run, dataset = open_dataset(run, settings, first, trained)
    run = fitted(run, dataset, typed, first)
    if first:
        (folder / "config.yaml").write_text(
            OmegaConf.to_yaml(as_built(resolved(run.stored, run.output_dir))), encoding="utf-8"
        )
    if run.mode == "export":
        from tasks.deploy.export import export

        try:
            export(run, Settings.of(run).export, dataset, folder)  # whose `upright` is resolved now
        except UserError as error:
            if first and (folder / "gate.json").is_file():  # what differs is on the page
                report(finish(folder, state="failed", failure=str(error)))
            raise
        if first:
            report(finish(folder, state="finished"))
        return
    if settings.search is not None:
        from tasks.search.search import search

        search(run, settings.search, dataset, folder, typed)
        if first:
            report(finish(folder, state="finished"))
        return
    prepared = prepare.prepare(run, dataset)
    if run.mode == "train":
        check_budget(settings.command.budget, prepared.learner, prepared.costs)
        train.train(run, prepared, dataset, folder)
    elif run.source.model is None:
        scoring.evaluate(run, prepared, folder)
    else:
        from tasks.deploy.evaluate import evaluate

        evaluate(run, settings.export, prepared, folder, asked, typed)
