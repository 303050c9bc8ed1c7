"""What happens around training: averaging, checkpoints, progress, pictures, an orderly stop."""

import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from tasks.errors import Stopped
from tasks.learner import Learner


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


class StopAfter(Callback):
    """End after so many epochs of a longer plan, as if interrupted there."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if trainer.current_epoch + 1 >= self.epochs:
            trainer.should_stop = True


class StopOnSignal(Callback):
    """Ctrl-C and SIGTERM end the training with a `last.ckpt` that goes on as if nothing had happened.

    It stops behind the next optimiser step; behind the last step of an epoch, when validation is done and the epoch's
    own `last.ckpt` is written. A second signal ends the process at once.
    """

    def __init__(self, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.received = 0
        self.before: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:  # Lightning's handlers stand by now
        def note(number: int, _frame: FrameType | None) -> None:
            self.received = number
            signal.signal(number, signal.SIG_DFL)
            if trainer.world_size > 1:  # Lightning tells the other processes, and all stop together
                trainer._signal_connector.received_sigterm = True

        self.before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_train_batch_start(self, *_: Any) -> None:
        if self.received and self.checkpoint.exists():  # noted behind the last step of the epoch before
            raise Stopped(self.received, self.checkpoint)

    def on_train_batch_end(self, trainer: Trainer, _m: LightningModule, _o: Any, _b: Any, batch_index: int) -> None:
        stepped = (batch_index + 1) % trainer.accumulate_grad_batches == 0
        if self.received and trainer.world_size == 1 and stepped and not trainer.is_last_batch:
            trainer.save_checkpoint(self.checkpoint)
            raise Stopped(self.received, self.checkpoint)

    def on_exception(self, trainer: Trainer, _module: LightningModule, exception: BaseException) -> None:
        if self.received and trainer.world_size > 1:
            if not trainer.validating:  # in validation the averaged weights stand in for the trained ones
                trainer.save_checkpoint(self.checkpoint)
            raise Stopped(self.received, self.checkpoint) from exception

    def teardown(self, *_: Any, **__: Any) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}


class ShowProgress(Callback):
    """A bar where there is a terminal, and one line per epoch: loss, rate, speed, share of time waiting for data."""

    def __init__(self, score: str) -> None:
        self.score = score
        self.console = Console(soft_wrap=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True)

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        if trainer.is_global_zero:
            self.bar.start()
            done = trainer.global_step * trainer.accumulate_grad_batches
            total = trainer.estimated_stepping_batches * trainer.accumulate_grad_batches
            self.row = self.bar.add_task("training", total=float(total), completed=done, text="")

    def on_train_epoch_start(self, *_: Any) -> None:
        self.images = self.steps = 0
        self.waited = 0.0
        self.loss = torch.zeros(())
        self.start = self.mark = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        if not hasattr(self, "start"):  # resumed in the middle of an epoch
            self.on_train_epoch_start()
        self.waited += time.perf_counter() - self.mark

    def on_train_batch_end(self, trainer: Trainer, _module: LightningModule, outputs: Any, batch: Any, *_: Any) -> None:
        self.images += len(batch["image"]) * trainer.world_size
        self.steps += 1
        self.loss = self.loss.to(outputs["loss"].device) + outputs["loss"].detach()
        if trainer.is_global_zero and not self.bar.disable and self.steps % 5 == 0:
            self.bar.update(self.row, advance=5, text=self.numbers())
        self.mark = time.perf_counter()

    def numbers(self) -> str:
        seconds = self.mark - self.start
        return (
            f"loss {self.loss.item() / max(1, self.steps):.3f}  {self.images / max(seconds, 1e-9):.1f} images/s  "
            f"waiting {self.waited / max(seconds, 1e-9):.0%}"
        )

    def on_validation_start(self, *_: Any) -> None:
        if hasattr(self, "start"):
            self.last = self.numbers()

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        scored = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        numbers = self.last if scored and hasattr(self, "last") else self.numbers()
        score = trainer.callback_metrics.get(f"val/{self.score}")
        text = f"  val/{self.score} {float(score):.4f}" if scored and score is not None else ""
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.console.print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {numbers}  lr {rate:.2g}{text}", highlight=False
        )

    def teardown(self, *_: Any, **__: Any) -> None:
        self.bar.stop()


class Pictures(Callback):
    """Draws some validation images, evenly spread over the data set, with what was predicted."""

    def __init__(self, folder: Path, count: int, images: int) -> None:
        self.folder = folder
        count = min(count, images)
        self.wanted = {round((i + 0.5) * images / count - 0.5) for i in range(count)}
        self.folder.mkdir(parents=True, exist_ok=True)

    def on_validation_batch_end(
        self, _trainer: Trainer, learner: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        assert isinstance(learner, Learner)
        for row, index in enumerate(batch["index"]):
            if index in self.wanted:
                for name, task in learner.each_task():
                    picture = task.picture(batch["image"][row], outputs[name][row], batch[task.target][row])
                    prefix = f"{name}_" if len(learner.tasks) > 1 else ""
                    picture.save(self.folder / f"{prefix}{batch['name'][row]}.png")
