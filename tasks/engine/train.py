"""Training and scoring: the steps of a run, and the files it writes."""

import copy
import json
import math
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import lightning
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torchmetrics import Metric

from tasks.checkpoint.checkpoint import load_state, make_metadata, open_checkpoint, read_ours, source_of
from tasks.checkpoint.metadata import REINITIALIZED
from tasks.checkpoint.saving import save
from tasks.common.console import report
from tasks.common.cpu import give_way_to_accelerator, keep_freed_memory
from tasks.common.errors import BEST, LAST, Diverged, Stopped, UserError
from tasks.common.ranks import is_first
from tasks.common.task import Task
from tasks.common.task_info import infos
from tasks.common.writing import write_text
from tasks.config.overrides import typed_keys
from tasks.config.stored import TYPED
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.splits import Splits
from tasks.engine.accumulation import SlowStatistics
from tasks.engine.averaging import AverageWeights
from tasks.engine.batch import ShareBatch, processes_of, trial_of
from tasks.engine.build import build, build_data, make_trainer
from tasks.engine.callbacks import Best, Last, LogOnce, NoteBroken, Reseed, SaveOften, StartFromMean, StopAfter
from tasks.engine.compiled import Compile, image_sizes
from tasks.engine.freezing import freeze, loaded_norms
from tasks.engine.holdout_checks import check_same_split, check_unseen
from tasks.engine.learner import Learner
from tasks.engine.metadata import SaveMetadata
from tasks.engine.norms import AdaptStatistics, estimate_again
from tasks.engine.pace import KeepPace
from tasks.engine.pictures import Pictures
from tasks.engine.progress import ShowProgress
from tasks.engine.quiet import loud_lightning, quiet_lightning
from tasks.engine.rates import without_effect
from tasks.engine.report import WriteReport, facts, labels_of, note_curves
from tasks.engine.resume_checks import check_state, epochs_done
from tasks.engine.rounding.attach import prepare_rounding
from tasks.engine.settings import DistillationSettings, Run, TrainerSettings
from tasks.engine.stopping import StopOnSignal, WatchLoss
from tasks.engine.summary import print_scores, report_costs
from tasks.engine.thaw import Thaw
from tasks.engine.towards_start import TowardsStart
from tasks.engine.tracking import Tracking, tracking
from tasks.engine.weights import classes_of_inactive, load_for_inference, numbered_as_trained, start
from tasks.report.write import finish, note


class Prepared(NamedTuple):
    """What a run works with.

    Attributes:
        costs: of each task's network and of all combined, as in network.json.
    """

    learner: Learner
    data: DataModule
    metadata: dict[str, Any]  # stored in checkpoints
    costs: dict[str, Any]


def prepare(run: Run, splits: Splits) -> Prepared:
    """Build the network with initial weights and the data, and report the network's costs.

    Raises:
        UserError: for incompatible choices.
    """
    learner, data, metadata = build_all(run, splits)
    if run.mode == "train" and len(learner.tasks) > 1:
        check_mix(learner)
    return Prepared(learner, data, metadata, report_costs(learner, data))


def evaluate(run: Run, prepared: Prepared, folder: Path) -> None:
    """Score a checkpoint or weights.

    Raises:
        UserError: for weights that do not fit.
    """
    learner, data, _, costs = prepared
    load_for_inference(run, learner)
    if is_first():
        note(folder, facts(learner, data, costs))
    score(run, learner, data, costs, folder)


def train(run: Run, prepared: Prepared, splits: Splits, folder: Path) -> None:
    """Train, then score the best weights.

    Raises:
        UserError: before training, for incompatible choices.
        Stopped: if a signal ended the training.
        Diverged: if the loss diverged; if it is still finite, the best weights are scored first.
    """
    learner, data, _, costs = prepared
    metadata = ready(run, prepared, splits, folder)
    page = WriteReport(folder, facts(learner, data, costs), labels_of(learner, data) if is_first() else None)
    with tracking(run, folder) as tracked:
        try:
            exploded = fit(run, learner, data, metadata, splits, folder, [page], tracked)
        except Stopped as error:
            page.ended(error)
            raise
        try:
            score_best(run, prepared, folder, tracked, page, end_of(run, learner.trainer.current_epoch, exploded))
        except BaseException as error:
            page.ended(error)
            raise
    if exploded:
        raise Diverged(exploded)


def end_of(run: Run, epochs: int, exploded: str) -> dict[str, str]:
    """What the page of a training says of its end, once the weights are scored."""
    if exploded:
        return {"state": "failed", "failure": exploded}
    if run.stop_after is not None and epochs < run.trainer.max_epochs:
        return {
            "state": "stopped_early",
            "why": f"stop_after={run.stop_after}: {epochs} of {run.trainer.max_epochs} epochs",
        }
    return {"state": "finished"}


def score_best(
    run: Run, prepared: Prepared, folder: Path, tracked: Tracking, page: WriteReport, end: Mapping[str, str]
) -> None:
    """Score the best weights of a training that has just ended; `end` is noted when they are."""
    learner, data, _, costs = prepared
    found: Any = best_of(run, folder / "checkpoints") if learner.trainer.is_global_zero else None
    path, best = learner.trainer.strategy.broadcast(found)  # the file may be on the first process's machine alone
    for name, entry in learner.each_task():
        entry.recall(best["mobilevision"]["tasks"][name])  # what predictions with this checkpoint will apply
    load_state(learner, best, path)
    if run.learner.finetune.norms == "reestimate" and loaded_norms(learner):
        if path.name == BEST and path != Path(str(run.source.resume)):
            reestimate(learner, data, path)
        else:
            report(f"finetune.norms=reestimate changes nothing: no epoch was scored, and {path} is to be resumed")
    report(f"scoring   {path}")
    if is_first():
        page.write(state="scoring")
    tracked.results(score(run, learner, data, costs, folder, page, end))


def best_of(run: Run, checkpoints: Path) -> tuple[Path, dict[str, Any]]:
    """The checkpoint to score after a training: the best, if there was any validation."""
    written = [checkpoints / BEST, checkpoints / LAST, Path(str(run.source.resume))]
    path = next(path for path in written if path.is_file())
    return path, open_checkpoint(path, run.task)


def ready(run: Run, prepared: Prepared, splits: Splits, folder: Path) -> dict[str, Any]:
    """Load the weights that training starts from, and try everything once.

    Args:
        folder: gets what was loaded, weights.json.

    Returns:
        The metadata of the training's checkpoints, with the names of the reinitialized tensors.

    Raises:
        UserError: for incompatible choices.
    """
    learner, data, metadata, _ = prepared
    if splits.holdout is not None:
        check_unseen(run.source, run.data.dataset, splits.holdout)
    reinitialized = start(run, learner, folder)
    if run.learner.rounding is not None:
        if reinitialized:
            raise UserError(
                f"quantise.aware=true fine-tunes a trained network, but {reinitialized[0]} is new: train it first"
            )
        prepare_rounding(learner, run.learner.rounding, data, resumed=run.source.resume is not None)
    freeze(learner, reinitialized)
    for line in without_effect(learner, run.learner.finetune, typed_keys(TYPED.get())):
        report(line)
    if run.distillation is not None:
        give_teacher(run.distillation, learner)
    batch = data.try_augmentation()
    check_sizes(learner, tuple(batch["image"].shape[-2:]), data.input_size())
    try_step(learner, data.at_size(batch, 0.0))
    for size in {min(data.scales, key=math.prod), max(data.scales, key=math.prod)} if data.scales else ():
        try_step(learner, data.try_augmentation(size))
    for name, entry in learner.each_task():
        if name not in learner.inactive_heads | learner.frozen:
            entry.prepare(data.train)
            if line := entry.advice(data):
                report(line)
    for line in data.sampling_lines():
        report(line)
    if run.source.resume is not None and (source := source_of(read_ours(run.source.resume)["mobilevision"])):
        metadata["started"] = source
    return metadata | {REINITIALIZED: reinitialized}


def reestimate(learner: Learner, data: DataModule, path: Path) -> None:
    """Estimate the backbone's batch-norm statistics again from training images, and put them into a checkpoint."""
    trainer = learner.trainer
    learner.to(trainer.strategy.root_device)
    batches = map(data.decoded, data.train_dataloader())
    images = estimate_again(learner, batches, trainer.precision_plugin.forward_context())
    if trainer.is_global_zero:
        checkpoint, state = read_ours(path), learner.state_dict()
        names = [f"{name}.{kind}" for name in loaded_norms(learner) for kind in ("running_mean", "running_var")]
        new = {name: state[name].to(checkpoint["state_dict"][name]) for name in names}
        save({**checkpoint, "state_dict": checkpoint["state_dict"] | new}, path)
    trainer.strategy.barrier()
    report(f"statistics of batch norm estimated again from {images * trainer.world_size:,} training images")


def build_all(run: Run, splits: Splits) -> tuple[Learner, DataModule, dict[str, Any]]:
    """Build the network with initial weights, the data, and the metadata of its checkpoints.

    Raises:
        UserError: for incompatible choices.
    """
    if run.keep_freed_memory:
        keep_freed_memory()
    give_way_to_accelerator(run.trainer.accelerator)
    quiet_lightning() if run.quiet else loud_lightning()
    lightning.seed_everything(run.seed, verbose=False)
    inactive = [name for name in run.learner.heads if name and infos()[name].target not in splits.classes]
    classes = dict(splits.classes) | classes_of_inactive(run, inactive)
    learner = build(run.learner, numbered_as_trained(run, classes), splits.sources, inactive)
    data = build_data(run.data, run.seed, splits)
    if run.trains:
        data.take(run.data.batch.plan(processes_of(run)))  # wrong choices fail now
    metadata = make_metadata(run.task, run.stored, {name: entry.metadata() for name, entry in learner.each_task()})
    for name, entry in learner.each_task():
        if splits.sources:
            metadata["tasks"][name]["datasets"] = list(splits.sources.get(entry.target, ()))
    if splits.holdout is not None:
        metadata["holdout"] = dict(splits.holdout)
    return learner, data, metadata


def try_step(learner: Learner, batch: Any) -> None:
    """Compute the loss of a few images with a copy of the network, so that it fails before training starts.

    Raises:
        UserError: for a map too small to be normalised.
        ImageSizeError: for an image size that the network or the teacher rejects.
    """
    with torch.random.fork_rng():
        trial = copy.deepcopy(learner).cpu().train()
        try:
            trial.balance(trial.losses(batch), trial.shared)
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            raise UserError(
                "a map of 1×1 cannot be normalised over one image: raise data.batch_size"
                + (", so that each data set has two in a batch" if "counts" in batch else "; take 2 or more")
            ) from error


def check_mix(learner: Learner) -> None:
    """Raises a UserError if one head's task blends images, which would invalidate the other heads' labels."""
    for name, task in learner.each_task():
        if task.blends:
            raise UserError(
                f"{name}.task.mix blends images, which other heads' labels cannot follow: only with one head"
            )


def check_sizes(learner: Learner, trained: tuple[int, ...], scored: tuple[int, int]) -> None:
    """Check that training and scoring use one image size if outputs depend on it, as boxes do through their anchors.

    Raises:
        UserError: if the sizes differ.
    """
    fixed = [task.target for _, task in learner.each_task() if task.info.one_size]
    if trained != scored and fixed:
        (height, width), (other_height, other_width) = trained, scored
        raise UserError(
            f"training images are {height}×{width}, scored ones {other_height}×{other_width}; {fixed[0]} require one "
            "fixed size: image_size=[height,width] with data.fit (tasks.data.transforms.letterbox.Stretch) makes both"
        )


def give_teacher(settings: DistillationSettings, learner: Learner) -> None:
    """Add distillation from a teacher to the tasks."""
    from tasks.engine.teacher import make_distillation

    for _, task in learner.each_task():
        task.distillation = make_distillation(settings, task)


def fit(
    run: Run,
    learner: Learner,
    data: DataModule,
    metadata: Mapping[str, Any],
    splits: Splits,
    folder: Path,
    callbacks: Sequence[lightning.Callback] = (),
    tracked: Tracking | None = None,
) -> str:
    """Fit, and write best.ckpt, last.ckpt and training.json into the folder.

    Args:
        callbacks: beside those of every training.
        tracked: its loggers; None for none.

    Returns:
        Message about an exploded loss, or ''.
    """
    checkpoints = folder / "checkpoints"
    resume = run.source.resume
    if resume is None or Path(resume).resolve().parent != checkpoints.resolve():
        # overwrite=true: files of an older run must not be mistaken for this run's
        for name in (BEST, LAST):
            (checkpoints / name).unlink(missing_ok=True)
    watch, batch = WatchLoss(), run.data.batch
    before = None if resume is None else read_ours(resume)
    stop, progress = StopOnSignal(checkpoints / LAST), ShowProgress(learner.main_score)
    from_mean = StartFromMean() if run.start_from_mean else None
    sizes = image_sizes(len(data.scales or ()), len(data.progressive or ()))
    compiled = Compile(run.compiled == "graphs", sizes, from_mean) if run.compiled else None
    own = [
        ShareBatch(batch, trial_of(batch, learner), before, copies=1 if run.ema is None else 2),
        *([AverageWeights(run.ema)] if run.ema is not None else []),
        *([StopAfter(run.stop_after)] if run.stop_after is not None else []),
        Reseed(run.seed),
        LogOnce(),
        SaveMetadata(metadata),
        *([Thaw()] if run.learner.finetune.thaw[1] > 0 else []),
        *([AdaptStatistics()] if run.learner.finetune.norms == "adapt" else []),
        *([TowardsStart(resume)] if run.learner.finetune.towards_start else []),
        SlowStatistics(),
        *([] if from_mean is None else [from_mean]),
        *([] if compiled is None else [compiled]),
        NoteBroken(run.data.max_broken, splits.broken),
        KeepPace(resume),
        watch,
        progress,
        Best(checkpoints, f"val/{learner.main_score}", resume),
        Last(checkpoints),
        *([SaveOften(checkpoints / LAST, run.save_minutes)] if run.save_minutes else []),
        stop,
    ]
    own += [] if tracked is None else [tracked]
    trainer = make_trainer(run.trainer, [*own, *callbacks], [] if tracked is None else tracked.loggers)
    if resume is not None and before is not None:
        checkpoint, epochs = before, run.trainer.max_epochs
        check_same_split(checkpoint["mobilevision"].get("holdout"), splits.holdout, resume)
        check_state(checkpoint, resume, learner, trainer)
        if epochs_done(checkpoint, resume, epochs) == epochs:
            report(f"nothing is left to train: all {epochs} epochs are done")
    begin = time.perf_counter()
    trainer.fit(learner, data, ckpt_path=resume, weights_only=True)
    if stop.received:
        raise Stopped(stop.received, checkpoints / LAST)
    if trainer.is_global_zero and data.train is not None:
        used = {
            "seconds": round(time.perf_counter() - begin, 3),  # of a resumed run: since it resumed
            "last_epoch_seconds": round(progress.epoch.seconds, 3) if progress.epoch is not None else 0.0,
            "epochs": trainer.current_epoch,
            "images": splits.distinct or len(data.train),
        }
        write_text(folder / "training.json", json.dumps(used, indent=2) + "\n")
    return watch.exploded


def score(
    run: Run,
    learner: Learner,
    data: DataModule,
    costs: dict[str, Any],
    folder: Path,
    page: WriteReport | None = None,
    end: Mapping[str, str] = MappingProxyType({"state": "finished"}),
) -> dict[str, Any]:
    """Score the validation images and write metrics.json, network.json and pictures; returns the scores.

    Args:
        page: of the training that ends with it.
        end: noted for the page when all is written.
    """
    if (limit := run.trainer.spec.get("limit_val_batches", 1.0)) != 1.0 or isinstance(limit, int):
        report(f"scoring all {len(data.val):,} images (trainer.limit_val_batches holds within training only)")
    pictures = [Pictures(folder / "pictures", learner, run.pictures, data.val_numbers)] if run.pictures else []
    scores = scored(run.trainer, learner, data, [*pictures, *([] if page is None else [page])])
    if learner.trainer.is_global_zero:
        write_text(folder / "network.json", json.dumps(costs, indent=2) + "\n")
        write_text(folder / "metrics.json", json.dumps(scores, indent=2) + "\n")
        print_scores(scores)
        report(f"metrics   {folder / 'metrics.json'}")
        for name, metric in learner.each_metric():
            drawn = pictures[0].folders[name] if pictures else None
            write_results(learner.task(name), metric, folder / name if len(learner.tasks) > 1 else folder, drawn)
            note_curves(folder, name, learner.task(name).curves(metric))
        if pictures:
            report(f"pictures  {folder / 'pictures'}")
        report(finish(folder, **end))
    return scores


def write_results(task: Task, metric: Metric, folder: Path, pictures: Path | None) -> None:
    """Write a head's files; of several heads each has a folder for them, because two may write files of one name."""
    folder.mkdir(exist_ok=True)
    for line in task.results(metric, folder, pictures):
        report(line)
    if not any(folder.iterdir()):
        folder.rmdir()


def scored(
    settings: TrainerSettings, learner: Learner, data: DataModule, callbacks: Sequence[lightning.Callback] = ()
) -> dict[str, Any]:
    """Scores of all validation images, as in metrics.json.

    Raises:
        Stopped: if a signal ended it.
    """
    trainer = make_trainer(settings, callbacks)
    trainer.limit_val_batches = 1.0  # published scores are of all images
    start = time.perf_counter()
    try:
        trainer.validate(learner, data, verbose=False)
    except SIGTERMException:
        raise Stopped(signal.SIGTERM) from None
    return learner.scores() | {"seconds": round(time.perf_counter() - start, 3)}
