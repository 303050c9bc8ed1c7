"""The one LightningModule: a backbone and the tasks that learn from it."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import lightning
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from backbones.base import Backbone
from heads.boxes import Places
from tasks.task import Task

Batch = Mapping[str, Any]


class Learner(lightning.LightningModule):
    """Trains and scores one or several tasks on the maps of one backbone.

    The backbone runs once per batch and computes only the maps that the tasks' heads read.

    Args:
        backbone: announces the maps.
        tasks: each reads its own labels from the batch.
        optimizer: built from parameter groups; biases and normalisation are left out of weight decay.
        scheduler: built from optimiser and number of steps; stepped after every batch.
    """

    def __init__(
        self,
        backbone: Backbone,
        tasks: Iterable[Task],
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., LRScheduler] | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tasks = nn.ModuleDict({task.name: task for task in tasks})
        self.metrics = nn.ModuleDict({name: task.metric() for name, task in self.each_task()})
        self.optimizer, self.scheduler = optimizer, scheduler
        self.card: dict[str, Any] = {}  # goes into every checkpoint
        self.steps = 1  # of the whole training, once it is configured
        self.scores: dict[str, Any] = {}  # of the last evaluation, by the names of metrics.json
        backbone.keep({name for _, task in self.each_task() for name in task.head.maps})

    def each_task(self) -> list[tuple[str, Task]]:
        """The tasks by name."""
        return [(name, task) for name, task in self.tasks.items() if isinstance(task, Task)]

    def each(self, name: str) -> Task:
        """The task of this name."""
        return dict(self.each_task())[name]

    def each_metric(self) -> list[tuple[str, Metric]]:
        """The tasks' metrics by name."""
        return [(name, metric) for name, metric in self.metrics.items() if isinstance(metric, Metric)]

    def forward(self, images: Tensor) -> dict[str, Any]:
        """Every task's raw outputs for (N, 3, H, W) uint8 images; see Task.mirror."""
        maps = self.backbone(images)
        outputs = {name: task.head(maps) for name, task in self.each_task()}
        if not self.training and any(task.mirror for _, task in self.each_task()):
            mirrored = self.backbone(images.flip(-1))
            outputs |= {
                name: (outputs[name] + task.head(mirrored)) / 2 for name, task in self.each_task() if task.mirror
            }
        return outputs

    def training_step(self, batch: Batch, _batch_index: int) -> Tensor:
        if len(self.tasks) == 1:  # blended images would be wrong for another task's labels
            batch = self.each_task()[0][1].mix(batch, self.trainer.global_step / self.steps)
        outputs = self(batch["image"])
        losses = {name: task.loss(outputs[name], batch) for name, task in self.each_task()}
        loss = torch.stack(list(losses.values())).sum()
        self.log("train/loss", loss)
        if len(losses) > 1:
            self.log_dict({f"train/{name}/loss": value for name, value in losses.items()})
        return loss

    def validation_step(self, batch: Batch, _batch_index: int) -> dict[str, Any]:
        """Scores a batch and returns the predictions."""
        predictions = self.predictions(batch["image"], batch.get("places"))
        for (name, task), (_, metric) in zip(self.each_task(), self.each_metric(), strict=True):
            metric.update(predictions[name], task.truth(batch))
        return predictions

    def predictions(self, images: Tensor, places: tuple[Tensor, Tensor] | None) -> dict[str, Any]:
        """What each task makes of (N, 3, H, W) uint8 images; in their files' pixels where it is said how they lie."""
        outputs, (height, width) = self(images), images.shape[-2:]
        predictions = {name: task.predict(outputs[name], (height, width)) for name, task in self.each_task()}
        if places is None:
            return predictions
        return {name: task.restore(predictions[name], Places(*places)) for name, task in self.each_task()}

    def on_validation_epoch_end(self) -> None:
        several = len(self.tasks) > 1
        self.scores = {}
        for name, metric in self.each_metric():
            scores = metric.compute()
            metric.reset()
            self.expect_all_images(scores["images"])
            self.scores |= {f"{name}/{key}" if several and key != "images" else key: v for key, v in scores.items()}
        main = {name if not several else f"{n}/{name}" for n, task in self.each_task() for name in [task.score]}
        self.log_dict(
            {
                f"val/{key}": float("nan") if value is None else float(value)
                for key, value in self.scores.items()
                if value is not None or key in main  # what picks the best checkpoint is never missing
            }
        )

    def expect_all_images(self, images: int) -> None:
        """Every image must be scored exactly once, however many processes share the work."""
        data = getattr(self.trainer, "datamodule", None)
        limit = self.trainer.limit_val_batches  # an int 1 is one batch, a float 1.0 all of them
        if data is not None and isinstance(limit, float) and limit == 1.0 and images != len(data.val):
            raise RuntimeError(f"scored {images} images of {len(data.val)}")

    def configure_optimizers(self) -> Any:
        assert self.optimizer is not None and self.scheduler is not None
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        optimizer = self.optimizer(
            [
                {"params": [parameter for parameter in trained if parameter.ndim > 1]},
                {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
            ]
        )
        data = getattr(self.trainer, "datamodule", None)  # ours knows the steps; other loaders are asked by Lightning
        self.steps = data.total_steps() if data is not None else int(self.trainer.estimated_stepping_batches)
        scheduler = self.scheduler(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mobilevision"] = self.card
