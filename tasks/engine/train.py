"""Training: from the first step to the scores of the best weights."""

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning

from tasks.checkpoint.checkpoint import load_state, open_checkpoint, read_ours
from tasks.checkpoint.saving import save
from tasks.common.console import report
from tasks.common.errors import BEST, LAST, Diverged, Stopped
from tasks.common.ranks import is_first
from tasks.common.writing import write_text
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.splits import Splits
from tasks.engine.accumulation import SlowStatistics
from tasks.engine.alike import StartedAlike, started_with
from tasks.engine.averaging import AverageWeights
from tasks.engine.batch import ShareBatch, trial_of
from tasks.engine.build import make_trainer
from tasks.engine.callbacks import Best, Last, LogOnce, NoteBroken, Reseed, SaveOften, StartFromMean, StopAfter
from tasks.engine.compiled import Compile, image_sizes
from tasks.engine.freezing import loaded_norms
from tasks.engine.holdout_checks import check_same_split
from tasks.engine.learner import Learner
from tasks.engine.metadata import SaveMetadata
from tasks.engine.narrow_maps import WidenNarrowMaps
from tasks.engine.norms import AdaptStatistics, estimate_again
from tasks.engine.pace import KeepPace
from tasks.engine.prepare import Prepared, ready
from tasks.engine.progress import ShowProgress
from tasks.engine.report import WriteReport, facts, labels_of
from tasks.engine.resume_checks import check_state, epochs_done
from tasks.engine.scoring import score
from tasks.engine.settings import Run
from tasks.engine.stopping import StopOnSignal, WatchLoss
from tasks.engine.thaw import Thaw
from tasks.engine.towards_start import TowardsStart
from tasks.engine.tracking import Tracking, tracking


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
        StartedAlike(started_with(run, splits)),
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
        WidenNarrowMaps(),
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
