"""What a training shows: a bar, a line per epoch, and pictures in the end."""

import time
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tasks.learner import Learner


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
    """Saves each task's pictures of a scoring."""

    def __init__(self, folder: Path, learner: Learner, count: int, images: int) -> None:
        self.folder = folder
        self.galleries = {name: task.gallery(count, images) for name, task in learner.each_task()}

    def on_validation_batch_end(
        self, _trainer: Trainer, _learner: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        for name, gallery in self.galleries.items():
            gallery.add(batch, outputs[name])

    def on_validation_end(self, trainer: Trainer, _learner: LightningModule) -> None:
        for name, gallery in self.galleries.items():
            kept: list[Any] = [gallery.kept]
            if trainer.world_size > 1:
                kept = [None] * trainer.world_size
                torch.distributed.all_gather_object(kept, gallery.kept)
            if trainer.is_global_zero:
                self.folder.mkdir(parents=True, exist_ok=True)
                prefix = f"{name}_" if len(self.galleries) > 1 else ""
                for title, picture in gallery.draw([entry for part in kept for entry in part]):
                    picture.save(self.folder / f"{prefix}{title}.png")
