"""Training callbacks: checkpoints, random numbers, unreadable images, a limit on epochs."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from backbones.running_statistics import CumulativeStart, start_from_mean
from tasks.checkpoint.saving import WEIGHTS
from tasks.common.console import report
from tasks.common.errors import BEST, UserError
from tasks.common.ranks import is_first
from tasks.engine.together import any_process, time_to_ask


class Best(ModelCheckpoint):
    """`best.ckpt`: the weights with the highest score so far, or the latest while no epoch has a score.

    A resumed run copies the previous best.ckpt into its own folder.

    Args:
        folder: of the checkpoints.
        score: name of the monitored metric.
        resumed: path of the checkpoint being resumed; the previous best.ckpt is next to it.
    """

    def __init__(self, folder: Path, score: str, resumed: str | None = None) -> None:
        super().__init__(folder, "best", monitor=score, mode="max", enable_version_counter=False)
        self.new, self.old = folder / BEST, Path(resumed or "none").with_name(BEST)
        self.told = False

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether to keep an epoch's weights; an epoch without a score counts until one has a score."""
        if current is None or not current.isnan():
            return super().check_monitor_top_k(trainer, current)
        if self.best_model_score is not None and self.best_model_score > -torch.inf:
            return False
        if not self.told:
            report(f"{self.monitor}: no score to compare, there is nothing to find; best.ckpt is the last epoch's")
            self.told = True
        return True

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        """Save only weights and metadata; last.ckpt has what a resumed run needs."""
        trainer.save_checkpoint(filepath, storage_options=WEIGHTS)
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        score = state_dict["best_model_score"]
        if score is None or not self.old.is_file():
            return
        self.new = Path(str(self.dirpath)) / BEST  # the first process's folder, broadcast to all
        if is_first() and self.old.resolve() != self.new.resolve():
            self.new.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(self.old, self.new)
        self.best_model_path = self.kth_best_model_path = str(self.new)
        self.best_model_score, self.kth_value, self.best_k_models = score, score, {str(self.new): score}


class Last(ModelCheckpoint):
    """`last.ckpt` after every epoch: everything needed to resume a run."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False)

    def load_state_dict(self, _state: dict[str, Any]) -> None:
        """Restore nothing: the file of the resumed run stays where it is."""


class SaveOften(Callback):
    """Writes `last.ckpt` within an epoch as well, so that a killed process loses minutes, not hours.

    Args:
        checkpoint: path of the file.
        minutes: between writes; each happens after the next optimiser step.
    """

    def __init__(self, checkpoint: Path, minutes: float) -> None:
        self.checkpoint, self.seconds = checkpoint, 60 * minutes

    def on_train_start(self, *_: Any) -> None:
        self.saved = time.monotonic()

    def on_train_epoch_end(self, *_: Any) -> None:
        self.saved = time.monotonic()

    def on_train_batch_end(self, trainer: Trainer, _m: LightningModule, _o: Any, _b: Any, batch_index: int) -> None:
        stepped = (batch_index + 1) % trainer.accumulate_grad_batches == 0
        if not stepped or trainer.is_last_batch or not time_to_ask(trainer):
            return
        if any_process(trainer, time.monotonic() - self.saved >= self.seconds):
            trainer.save_checkpoint(self.checkpoint)
            self.saved = time.monotonic()


class Reseed(Callback):
    """Makes a step's random numbers (dropout) depend only on seed, step and process: a resumed run draws the same."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        torch.manual_seed(hash((self.seed, trainer.fit_loop.epoch_loop.total_batch_idx, trainer.global_rank)))


class LogOnce(Callback):
    """Lets a training with fewer steps left than `trainer.log_every_n_steps` log one of them, too."""

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        steps: int = vars(module)["steps"] - trainer.global_step
        every: int = vars(trainer)["log_every_n_steps"]  # Lightning sets it without declaring it
        vars(trainer)["log_every_n_steps"] = min(every, max(1, steps))


class NoteBroken(Callback):
    """Reports each unreadable training image once, and counts them.

    Args:
        limit: largest number allowed in one process; one more ends the training.
        known: names of images already found unreadable.
    """

    def __init__(self, limit: int, known: Iterable[str] = ()) -> None:
        self.limit = limit
        self.seen = set(known)

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        self.seen |= set(trainer.strategy.broadcast(sorted(self.seen)))  # only the first process checked the files

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, batch: Any, _index: int) -> None:
        for name, message in batch.get("broken", ()):
            if name not in self.seen:
                self.seen.add(name)
                print(f"skipped ({len(self.seen)}): {message}", flush=True)
        if not self.limit or not time_to_ask(trainer):  # without a limit, the first one already raises
            return
        if any_process(trainer, len(self.seen) > self.limit):
            raise UserError(f"{len(self.seen)} unreadable training images; data.max_broken={self.limit} allows no more")


class StartFromMean(Callback):
    """Starts running statistics as the mean of all batches (backbones/running_statistics.py)."""

    def __init__(self) -> None:
        self.starts: list[CumulativeStart] = []

    def on_train_start(self, _trainer: Trainer, module: LightningModule) -> None:
        """Start once weights are loaded and layers converted (trainer.sync_batchnorm)."""
        self.starts = start_from_mean(module)

    def is_over(self) -> bool:
        """Whether the momentum of every layer is its own."""
        return all(start.over for start in self.starts)

    def on_train_end(self, *_: Any) -> None:
        for start in self.starts:
            start.remove()
        self.starts = []


class StopAfter(Callback):
    """Ends a longer training after the given number of epochs, as if interrupted there."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True
