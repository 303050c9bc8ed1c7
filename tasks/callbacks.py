"""What happens around training: averaging, checkpoints, random numbers, an orderly stop."""

import shutil
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from torch import Tensor

from tasks.errors import Stopped, UserError


class AverageWeights(WeightAveraging):
    """Exponential moving average of weights and statistics after every step; it is what is scored and saved.

    The decay rises as (1 + step) / (10 + step) up to its value, so that short trainings forget their start.
    """

    def __init__(self, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"ema={decay} must lie between 0 and 1, or be null")

        @torch.no_grad()
        def average(averages: Sequence[Tensor], currents: Sequence[Tensor], step: Tensor | int) -> None:
            keep = min(decay, (1 + int(step)) / (10 + int(step)))
            if averages[0].is_floating_point():
                torch._foreach_lerp_(list(averages), list(currents), 1 - keep)
            else:  # counters of batch normalisation
                torch._foreach_copy_(list(averages), list(currents))

        super().__init__(multi_avg_fn=average)


class Best(ModelCheckpoint):
    """`best.ckpt`: the highest score so far. A resumed run takes the old one along into its own folder.

    Args:
        folder: of the checkpoints.
        score: what is monitored.
        resumed: the checkpoint that is resumed; the old best lies beside it.
    """

    def __init__(self, folder: Path, score: str, resumed: str | None = None) -> None:
        super().__init__(folder, "best", monitor=score, mode="max", enable_version_counter=False)
        self.new, self.old = folder / "best.ckpt", Path(resumed or "none").with_name("best.ckpt")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        score = state_dict["best_model_score"]
        if score is None or not self.old.is_file():
            return
        self.new.parent.mkdir(parents=True, exist_ok=True)
        if self.old.resolve() != self.new.resolve():
            shutil.copy2(self.old, self.new)
        self.best_model_path = self.kth_best_model_path = str(self.new)
        self.best_model_score, self.kth_value, self.best_k_models = score, score, {str(self.new): score}


class Last(ModelCheckpoint):
    """`last.ckpt` after every epoch: everything a run needs to go on."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "last", every_n_epochs=1, save_on_train_epoch_end=True, enable_version_counter=False)

    def load_state_dict(self, _state: dict[str, Any]) -> None:
        """Nothing to take over: the file of the resumed run stays where it is."""


class Reseed(Callback):
    """Random numbers of a step (dropout) depend on seed, step and process alone: a resumed run draws the same."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        torch.manual_seed(hash((self.seed, trainer.fit_loop.epoch_loop.total_batch_idx, trainer.global_rank)))


class NoteBroken(Callback):
    """Names each unreadable training image once, and counts them.

    Args:
        limit: how many there may be in one process; one more ends the training.
        known: names of those that were found before.
    """

    def __init__(self, limit: int, known: Iterable[str] = ()) -> None:
        self.limit = limit
        self.seen = set(known)

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, batch: Any, _index: int) -> None:
        for name, message in batch.get("broken", ()):
            if name not in self.seen:
                self.seen.add(name)
                print(f"skipped ({len(self.seen)}): {message}", flush=True)
        too_many = len(self.seen) > self.limit
        if trainer.world_size > 1 and self.limit:  # all stop together
            too_many = trainer.strategy.reduce_boolean_decision(too_many, all=False)
        if too_many:
            raise UserError(f"{len(self.seen)} unreadable training images; data.max_broken={self.limit} allows no more")


class StopAfter(Callback):
    """End after so many epochs of a longer plan, as if interrupted there."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True


class StopDiverged(Callback):
    """End with an error when an epoch's last loss is not finite: what follows would be lost time.

    The epoch's `last.ckpt` is not written; that of the epoch before stays.
    """

    def on_train_batch_end(self, trainer: Trainer, _m: LightningModule, outputs: Any, *_: Any) -> None:
        if not trainer.is_last_batch:
            return
        diverged = not bool(outputs["loss"].isfinite())
        if trainer.world_size > 1:  # all stop together
            diverged = trainer.strategy.reduce_boolean_decision(diverged, all=False)
        if diverged:
            raise UserError(
                f"the loss is {float(outputs['loss'])} at the end of epoch {trainer.current_epoch + 1}: "
                "a lower optimizer.lr, a longer scheduler.warmup or trainer.gradient_clip_val may help"
            )


class StopOnSignal(Callback):
    """Ctrl-C and SIGTERM end the training with a `last.ckpt` that goes on as if nothing had happened.

    It stops behind the next optimiser step; behind the last step of an epoch, when validation is done and the epoch's
    own `last.ckpt` is written. A second signal ends the process at once.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.received = 0
        self.before: dict[int, Any] = {}

    def on_train_start(self, *_: Any) -> None:  # Lightning's own handlers stand by now; these replace them
        def note(number: int, _frame: FrameType | None) -> None:
            self.received = number
            signal.signal(number, signal.SIG_DFL)

        self.before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}

    def wanted(self, trainer: Trainer) -> bool:
        """Whether any process has received a signal; all ask together, and all stop together."""
        if trainer.world_size == 1:
            return bool(self.received)
        return trainer.strategy.reduce_boolean_decision(bool(self.received), all=False)

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, _batch: Any, batch_index: int) -> None:
        if batch_index == 0 and trainer.current_epoch > 0 and self.wanted(trainer):  # since the epoch's last step
            raise Stopped(self.received or signal.SIGTERM, self.checkpoint)

    def on_train_batch_end(self, trainer: Trainer, _m: LightningModule, _o: Any, _b: Any, batch_index: int) -> None:
        stepped = (batch_index + 1) % trainer.accumulate_grad_batches == 0
        if stepped and not trainer.is_last_batch and self.wanted(trainer):
            trainer.save_checkpoint(self.checkpoint)
            raise Stopped(self.received or signal.SIGTERM, self.checkpoint)

    def teardown(self, *_: Any, **__: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}
