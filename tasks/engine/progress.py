"""Training output: a progress bar and one line per epoch."""

import math
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Column

from tasks.common.console import report
from tasks.engine.accumulation import whole_loss
from tasks.engine.callbacks import Best
from tasks.engine.learner import Learner
from tasks.engine.rates import current_rates, learns

SHOW_EVERY = 0.5  # seconds between updates of the bar


class Epoch:
    """Counters of the current epoch."""

    def __init__(self) -> None:
        self.images = self.steps = 0
        self.waited = 0.0
        self.loss = torch.zeros(())
        self.start = self.mark = time.perf_counter()
        self.scored = ""  # numbers() when validation started

    @property
    def seconds(self) -> float:
        """Time from the start of the epoch to the end of the last step."""
        return self.mark - self.start

    def numbers(self) -> str:
        """Format the counters for the terminal; waits for the device."""
        seconds = max(self.seconds, 1e-9)
        return (
            f"loss {self.loss.item() / max(1, self.steps):.3f}  {self.images / seconds:.1f} images/s  "
            f"waiting {self.waited / seconds:.0%}"
        )


class ShowProgress(Callback):
    """Shows a bar on terminals and one line per epoch: loss, heads' learning rate, speed, share of time waiting, the
    score with the best one so far, and the time left, in which the scoring of every epoch counts.

    Attributes:
        best: highest score so far; None before the first.
    """

    def __init__(self, score: str) -> None:
        self.score = score
        self.done, self.shown = 0, 0.0
        self.epoch: Epoch | None = None
        self.best: float | None = None
        self.console = Console(soft_wrap=True)
        columns = (  # 80 characters
            TextColumn("{task.description}"),
            BarColumn(16),
            TextColumn("{task.fields[text]}", table_column=Column(no_wrap=True)),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, Learner)
        if line := learns(module, trainer.optimizers[0].param_groups):
            report(line)
        self.best = best_before(trainer)
        self.begin, self.done = time.perf_counter(), trainer.fit_loop.epoch_loop.total_batch_idx + 1
        self.begun, self.total = self.done, all_batches(trainer, module)
        if trainer.is_global_zero:
            self.bar.start()
            self.row = self.bar.add_task("training", total=float(self.total), completed=self.done, text="")

    def left(self) -> str:
        """How long the rest takes at the pace so far; '' at the end."""
        pace = (time.perf_counter() - self.begin) / max(1, self.done - self.begun)
        return f"  {duration(pace * (self.total - self.done))} left" if self.done < self.total else ""

    def on_train_epoch_start(self, *_: Any) -> None:
        self.epoch = Epoch()

    def on_train_batch_start(self, *_: Any) -> None:
        if self.epoch is None:  # resumed in the middle of an epoch
            self.epoch = Epoch()
        self.epoch.waited += time.perf_counter() - self.epoch.mark

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        epoch = self.epoch
        assert epoch is not None
        epoch.images += len(batch["image"]) * trainer.world_size
        epoch.steps += 1
        self.done += 1
        loss = whole_loss(trainer, outputs, index)
        epoch.loss = epoch.loss.to(loss.device) + loss
        epoch.mark = time.perf_counter()
        numbers = {
            **current_rates(trainer.optimizers[0].param_groups),  # of the next step
            "train/images_per_second": epoch.images / max(epoch.seconds, 1e-9),
            "train/waiting": epoch.waited / max(epoch.seconds, 1e-9),
        }
        # into metrics.csv, next to the loss. As tensors here: Lightning would copy each number to the device, and wait
        module.log_dict({name: torch.tensor(number, dtype=torch.float32) for name, number in numbers.items()})
        if trainer.is_global_zero and not self.bar.disable and epoch.mark - self.shown > SHOW_EVERY:
            self.bar.update(self.row, completed=self.done, text=epoch.numbers() + self.left())
            self.shown = epoch.mark

    def on_validation_start(self, *_: Any) -> None:
        if self.epoch is not None:
            self.epoch.scored = self.epoch.numbers()

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert self.epoch is not None
        score = trainer.callback_metrics.get(f"val/{self.score}")
        text, leads = "", False
        if self.epoch.scored and score is not None:
            text, leads = self.compared(float(score))
        numbers = self.epoch.scored or self.epoch.numbers()
        rate = current_rates(trainer.optimizers[0].param_groups)["train/lr"]
        left = self.left() if trainer.current_epoch + 1 < (trainer.max_epochs or 0) else ""
        self.console.print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {numbers}  lr {rate:.2g}{text}{left}",
            style="bold" if leads else None,
            highlight=False,
        )

    def compared(self, score: float) -> tuple[str, bool]:
        """A score beside the best one so far, and whether it is the best."""
        if math.isnan(score):
            return f"  val/{self.score} –", False
        leads = self.best is None or score > self.best
        self.best = score if self.best is None else max(score, self.best)
        return f"  val/{self.score} {score:.4f} ({'best' if leads else f'best {self.best:.4f}'})", leads

    def teardown(self, *_: Any, **__: Any) -> None:
        self.bar.stop()


def best_before(trainer: Trainer) -> float | None:
    """The best score of the training that this one resumes; None without one."""
    found = [callback.best_model_score for callback in trainer.checkpoint_callbacks if isinstance(callback, Best)]
    known = [float(score) for score in found if score is not None]
    return max((score for score in known if math.isfinite(score)), default=None)


def all_batches(trainer: Trainer, module: Learner) -> int:
    """Batches of a whole training, of which the last of an epoch may make a short step."""
    steps, batches = module.steps, int(trainer.num_training_batches)
    each = -(-batches // trainer.accumulate_grad_batches)
    epochs, rest = divmod(steps, each)  # trainer.max_steps may end within an epoch
    return epochs * batches + min(batches, rest * trainer.accumulate_grad_batches)


def duration(seconds: float) -> str:
    """A time to wait, with no more digits than can be known."""
    if seconds < 99:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 99 * 60 else f"{seconds / 3600:.1f} h"
