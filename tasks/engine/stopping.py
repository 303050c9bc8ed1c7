"""Early ends of a training: by a signal, or because the loss diverges."""

import math
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import Tensor

from tasks.common.console import SIGNALS
from tasks.common.errors import Diverged, Stopped
from tasks.data.loading.sharing import Waiting
from tasks.engine.accumulation import whole_loss
from tasks.engine.together import any_process, time_to_ask

EXPLODED = 10  # times the first batch's loss, taken as at least 1 so that a trained network may learn a new task
GRACE = 10  # seconds that a stop waits for the next batch
REMEDY = "a lower optimizer.lr, a longer scheduler.warmup or trainer.gradient_clip_val may help"


class WatchLoss(Callback):
    """Reports an exploding loss; a loss that is not finite at the end of an epoch ends the training at once.

    In that case `last.ckpt` of the epoch is not written: the previous epoch's file is kept.

    Attributes:
        exploded: message if the last epoch's mean loss exceeds EXPLODED times the loss of the training's first batch
            (or EXPLODED, if that loss is below 1), else ''.
    """

    def __init__(self) -> None:
        self.first: Tensor | float | None = None
        self.total: Tensor | float = 0.0
        self.batches = 0
        self.exploded = ""

    def on_train_batch_end(self, trainer: Trainer, _m: LightningModule, outputs: Any, _b: Any, index: int) -> None:
        loss = whole_loss(trainer, outputs, index)
        self.first = loss if self.first is None else self.first
        self.total, self.batches = self.total + loss, self.batches + 1
        if not trainer.is_last_batch:
            return
        last, mean, self.first = float(loss), float(self.total) / self.batches, float(self.first)
        self.total, self.batches = 0.0, 0
        epoch = trainer.current_epoch + 1
        if any_process(trainer, not loss.isfinite().item()):
            raise Diverged(f"the loss is {last} at the end of epoch {epoch}: {REMEDY}")
        exploded = any_process(trainer, mean > EXPLODED * (max(self.first, 1.0) if math.isfinite(self.first) else 1.0))
        self.exploded = (
            f"the loss has exploded: {mean:,.4g} in epoch {epoch}, {self.first:,.4g} at the start: {REMEDY}"
            if exploded
            else ""
        )

    def state_dict(self) -> dict[str, Any]:
        first = None if self.first is None else float(self.first)
        return {"first": first, "total": float(self.total), "batches": self.batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.first = state_dict.get("first")
        self.total, self.batches = state_dict.get("total", 0.0), state_dict.get("batches", 0)


class StopOnSignal(Callback):
    """Ends the training on Ctrl-C, SIGTERM or SIGUSR1 with a `last.ckpt` that resumes as if nothing had happened.

    SLURM sends SIGUSR1 some time before the end of a job, if it is told to (`sbatch --signal=USR1@120`).

    Training stops after the next optimiser step (with several processes, within EVERY steps). After the last step of
    an epoch, it stops once validation is done and the epoch's own `last.ckpt` is written. If no batch arrives for GRACE
    seconds, it does not wait for a step. A second signal ends the process at once.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.received = 0
        self.before: dict[int, Any] = {}
        self.ours: list[Any] = []  # handlers

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:  # after Lightning's handlers
        def note(number: int, _frame: FrameType | None) -> None:
            self.received = number
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            self.ours.append(signal.SIG_DFL)
            if hasattr(signal, "setitimer"):
                self.before[signal.SIGALRM] = signal.signal(signal.SIGALRM, look)
                signal.setitimer(signal.ITIMER_REAL, 1, 1)

        def look(_number: int, _frame: FrameType | None) -> None:
            if Waiting.since is not None and time.monotonic() - Waiting.since > GRACE:
                signal.setitimer(signal.ITIMER_REAL, 0)
                self.save_between_steps(trainer)
                raise Stopped(self.received, self.checkpoint if self.checkpoint.is_file() else None)

        self.ours = [note, look]
        self.before = {number: signal.signal(number, note) for number in SIGNALS}

    def save_between_steps(self, trainer: Trainer) -> None:
        """Write `last.ckpt` while waiting for the next training batch, as on_train_batch_end would.

        Nothing is written if that is impossible: during validation, between the batches of one step, at the start of an
        epoch, or if other processes would have to write too. An existing checkpoint is kept.
        """
        loop = trainer.fit_loop.epoch_loop
        done = loop.batch_progress
        between = done.current.ready > 0 and done.current.ready % trainer.accumulate_grad_batches == 0
        if trainer.world_size > 1 or not trainer.training or not between or done.is_last_batch:
            return
        done.total.completed -= 1
        done.current.completed -= 1
        loop._batches_that_stepped -= 1
        trainer.save_checkpoint(self.checkpoint)

    def on_train_batch_start(self, trainer: Trainer, _module: LightningModule, _batch: Any, batch_index: int) -> None:
        if batch_index == 0 and trainer.current_epoch > 0 and any_process(trainer, bool(self.received)):
            raise Stopped(self.received or signal.SIGTERM, self.checkpoint)  # since the last epoch's last step

    def on_train_batch_end(self, trainer: Trainer, _m: LightningModule, _o: Any, _b: Any, batch_index: int) -> None:
        stepped = (batch_index + 1) % trainer.accumulate_grad_batches == 0
        if not stepped or trainer.is_last_batch or not time_to_ask(trainer):
            return
        if any_process(trainer, bool(self.received)):
            trainer.save_checkpoint(self.checkpoint)
            raise Stopped(self.received or signal.SIGTERM, self.checkpoint)

    def on_exception(self, *_: Any) -> None:
        """Stop the timer: Lightning restores the previous handlers, and SIGALRM would then end the process."""
        if getattr(signal, "SIGALRM", None) in self.before:  # Windows has no SIGALRM
            signal.setitimer(signal.ITIMER_REAL, 0)

    def teardown(self, *_: Any, **__: Any) -> None:
        """Restore the handlers, unless Lightning has: those that it found belong to it, and keep its trainer alive."""
        self.on_exception()
        for number, handler in self.before.items():
            if signal.getsignal(number) in self.ours:
                signal.signal(number, handler)
        self.before, self.ours = {}, []
