"""Pictures of scored images, drawn after a validation."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from tasks.common.output import PNG_LEVEL
from tasks.common.records import FOLDER as RECORDS
from tasks.common.records import write_record
from tasks.engine.learner import Learner


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
                    picture.save(path, compress_level=PNG_LEVEL)
                if record := gallery.record([entry for part in kept for entry in part]):
                    write_record(record, self.records / name / "pictures.json")
