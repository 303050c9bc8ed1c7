"""Training output: a progress bar, one line per epoch, and pictures at the end."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tasks.common.console import report
from tasks.common.records import FOLDER as RECORDS
from tasks.common.records import write_record
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
    """Shows a bar on terminals and one line per epoch: loss, heads' learning rate, speed, share of time waiting."""

    def __init__(self, score: str) -> None:
        self.score = score
        self.done, self.shown = 0, 0.0
        self.epoch: Epoch | None = None
        self.console = Console(soft_wrap=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=self.console, disable=not self.console.is_terminal, transient=True)

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, Learner)
        steps: int = vars(trainer)["log_every_n_steps"]  # Lightning sets it without declaring it
        vars(trainer)["log_every_n_steps"] = min(steps, module.steps)  # a short training logs once, too
        if line := learns(module, trainer.optimizers[0].param_groups):
            report(line)
        if trainer.is_global_zero:
            self.bar.start()
            self.done = trainer.global_step * trainer.accumulate_grad_batches
            total = trainer.estimated_stepping_batches * trainer.accumulate_grad_batches
            self.row = self.bar.add_task("training", total=float(total), completed=self.done, text="")

    def on_train_epoch_start(self, *_: Any) -> None:
        self.epoch = Epoch()

    def on_train_batch_start(self, *_: Any) -> None:
        if self.epoch is None:  # resumed in the middle of an epoch
            self.epoch = Epoch()
        self.epoch.waited += time.perf_counter() - self.epoch.mark

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, *_: Any) -> None:
        epoch = self.epoch
        assert epoch is not None
        epoch.images += len(batch["image"]) * trainer.world_size
        epoch.steps += 1
        self.done += 1
        loss = outputs["loss"].detach() * trainer.accumulate_grad_batches  # Lightning divided it
        epoch.loss = epoch.loss.to(loss.device) + loss
        epoch.mark = time.perf_counter()
        module.log_dict(  # into metrics.csv, next to the loss
            {
                **current_rates(trainer.optimizers[0].param_groups),  # of the next step
                "train/images_per_second": epoch.images / max(epoch.seconds, 1e-9),
                "train/waiting": epoch.waited / max(epoch.seconds, 1e-9),
            }
        )
        if trainer.is_global_zero and not self.bar.disable and epoch.mark - self.shown > SHOW_EVERY:
            self.bar.update(self.row, completed=self.done, text=epoch.numbers())
            self.shown = epoch.mark

    def on_validation_start(self, *_: Any) -> None:
        if self.epoch is not None:
            self.epoch.scored = self.epoch.numbers()

    def on_train_epoch_end(self, trainer: Trainer, _module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        assert self.epoch is not None
        score = trainer.callback_metrics.get(f"val/{self.score}")
        text = f"  val/{self.score} {float(score):.4f}" if self.epoch.scored and score is not None else ""
        numbers = self.epoch.scored or self.epoch.numbers()
        rate = current_rates(trainer.optimizers[0].param_groups)["train/lr"]
        self.console.print(
            f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}  {numbers}  lr {rate:.2g}{text}", highlight=False
        )

    def teardown(self, *_: Any, **__: Any) -> None:
        self.bar.stop()


class Pictures(Callback):
    """Saves pictures of each scored task, in one folder per task if there are several, and their data for the page.

    Args:
        count: number of pictures per task.
        images: function from a kind of label (`Task.target`) to the indices of the validation images that have it.
    """

    def __init__(self, folder: Path, learner: Learner, count: int, images: Callable[[str], Sequence[int]]) -> None:
        tasks = {name: learner.task(name) for name, _ in learner.each_metric()}
        self.galleries = {name: task.gallery(count, images(task.target)) for name, task in tasks.items()}
        self.records = folder.parent / RECORDS
        self.folders = {name: folder / name if len(learner.tasks) > 1 else folder for name in tasks}

    def on_validation_batch_end(
        self, _trainer: Trainer, _learner: LightningModule, outputs: Any, batch: Any, *_: Any
    ) -> None:
        for name, gallery in self.galleries.items():
            if name in outputs:  # a batch of a mixture may have labels for only some tasks
                gallery.add(batch, outputs[name])

    def on_validation_end(self, trainer: Trainer, _learner: LightningModule) -> None:
        for name, gallery in self.galleries.items():
            kept: list[Any] = [gallery.kept]
            if trainer.world_size > 1:
                kept = [None] * trainer.world_size
                torch.distributed.all_gather_object(kept, gallery.kept)
            if trainer.is_global_zero:
                for title, picture in gallery.draw([entry for part in kept for entry in part]):
                    path = self.folders[name] / f"{title}.png"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    picture.save(path)
                if record := gallery.record([entry for part in kept for entry in part]):
                    write_record(record, self.records / name / "pictures.json")
