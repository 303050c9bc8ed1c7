"""The one LightningModule: a backbone and the tasks that learn from it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import lightning
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from backbones.base import Backbone
from backbones.norms import Rows
from backbones.running_statistics import CumulativeStart, start_from_mean
from heads.boxes import Places
from tasks.common.task import Task
from tasks.engine.loss_weights import Balance, FixedWeights

Batch = Mapping[str, Any]


class Learner(lightning.LightningModule):
    """Trains and scores one or several tasks on the maps of one backbone.

    The backbone runs once per batch and computes only the maps that the tasks' heads read. Where images of several data
    sets make one batch, a head sees the maps of those images alone that have its labels (`rows` of the batch).

    Args:
        backbone: announces the maps.
        tasks: each reads its own labels from the batch.
        optimizer: built from parameter groups, see make_optimizer.
        scheduler: built from optimiser and number of steps; stepped after every batch.
        balance: makes one loss of several, built from the names of the tasks that are trained; None adds them up.
        frozen: what stays as it is: "backbone", names of tasks.

    Attributes:
        carried: names of tasks that there are no labels for: neither trained nor scored.
        own_statistics: the number of the data set by whose statistics the backbone normalises for a task, where it
            keeps them apart (backbones/norms.py) and an image is of none of them.
    """

    def __init__(
        self,
        backbone: Backbone,
        tasks: Iterable[Task],
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., LRScheduler] | None = None,
        balance: Callable[..., Balance] | None = None,
        frozen: Iterable[str] = (),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tasks = nn.ModuleDict({task.name: task for task in tasks})
        self.metrics = nn.ModuleDict({name: task.metric() for name, task in self.each_task()})
        self.optimizer, self.scheduler = optimizer, scheduler
        self.frozen = frozenset(frozen)
        self.balance = (balance or FixedWeights)([name for name in self.tasks if name not in self.frozen])
        self.carried: frozenset[str] = frozenset()
        self.own_statistics: dict[str, int] = {}
        self.frozen_modules: frozenset[str] = frozenset()  # names that keep_frozen() has found: never in training mode
        self.cumulative: list[CumulativeStart] = []  # layers whose running statistics are young, in training
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
        """The metrics of the tasks that are scored, by name."""
        return [
            (n, metric) for n, metric in self.metrics.items() if isinstance(metric, Metric) and n not in self.carried
        ]

    @property
    def main_score(self) -> str:
        """What the best checkpoint has most of: the task's score, or `score`, the mean of several."""
        return "score" if len(self.tasks) > 1 else self.each_task()[0][1].score

    @property
    def score_keys(self) -> list[str]:
        """Where each task's main score stands in `scores`."""
        several = len(self.tasks) > 1
        return [f"{name}/{task.score}" if several else task.score for name, task in self.each_task()]

    def forward(self, images: Tensor) -> dict[str, Any]:
        """Every task's raw outputs for (N, 3, H, W) uint8 images; see Task.mirror."""
        if not self.own_statistics:
            return self.outputs(images, self.each_task())
        outputs: dict[str, Any] = {}
        for number in sorted(set(self.own_statistics.values())):  # a pass for each data set's statistics
            self.normalise([len(images) if n == number else 0 for n in range(number + 1)])
            outputs |= self.outputs(images, [t for t in self.each_task() if self.own_statistics[t[0]] == number])
        return outputs

    def outputs(self, images: Tensor, tasks: Sequence[tuple[str, Task]]) -> dict[str, Any]:
        """These tasks' raw outputs from one pass of the backbone, and one more where a task wants the mirror image."""
        maps = self.backbone(images)
        outputs = {name: task.head(maps) for name, task in tasks}
        if not self.training and any(task.mirror for _, task in tasks):
            mirrored = self.backbone(images.flip(-1))
            outputs |= {name: (outputs[name] + task.head(mirrored)) / 2 for name, task in tasks if task.mirror}
        return outputs

    def normalise(self, counts: Sequence[int] | None) -> None:
        """Tell the backbone how many of the next images are of each data set, where its statistics are kept apart."""
        rows = getattr(self.backbone, "rows", None)
        if counts is not None and isinstance(rows, Rows):
            rows.counts = tuple(counts)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """The loss of each trained task, on the images of a training batch that have its labels."""
        return self.losses_and_terms(batch)[0]

    def losses_and_terms(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The same, and what each is the sum of where that is more than one term: `boxes`, or `detect/boxes`."""
        self.normalise(batch.get("counts"))
        maps = self.backbone(batch["image"])
        losses: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        for name, task in self.each_task():
            if name in self.frozen or name in self.carried or not labelled(task, batch):
                continue
            rows = batch["rows"][task.target] if "rows" in batch else None
            outputs = task.head(taken(maps, rows))
            given = {**batch, **taken({"image": batch["image"]}, rows)}
            losses[name], parts = task.training_loss(outputs, given)
            prefix = f"{name}/" if len(self.tasks) > 1 else ""
            terms.update((f"{prefix}{part}", term.detach()) for part, term in parts.items())
        return losses, terms

    def shared(self) -> list[nn.Parameter]:
        """The weight of the last convolution that every task's outputs depend on."""
        taps = self.backbone.taps
        deepest = min(max(taps[name].block for name in task.head.maps) for _, task in self.each_task())
        weights = [
            weight for block in self.backbone.blocks[:deepest] for weight in block.parameters() if weight.ndim == 4
        ]
        return weights[-1:]

    def on_train_start(self) -> None:
        """Weights are loaded and layers converted by now (trainer.sync_batchnorm)."""
        self.cumulative = start_from_mean(self)

    def on_train_end(self) -> None:
        for start in self.cumulative:
            start.remove()
        self.cumulative = []

    def training_step(self, batch: Batch, _batch_index: int) -> Tensor:
        if len(self.tasks) == 1:  # blended images would be wrong for another task's labels
            batch = self.each_task()[0][1].mix(batch, self.trainer.global_step / self.steps)
        losses, terms = self.losses_and_terms(batch)
        loss = self.balance(losses, self.shared)
        self.log_dict({"train/loss": loss} | {f"train/{name}": term for name, term in terms.items()})
        if len(self.tasks) > 1:
            weights = self.balance.weights()
            for name, value in losses.items():
                self.log_dict({f"train/{name}/loss": value, f"train/{name}/weight": weights[name]})
        return loss

    def validation_step(self, batch: Batch, _batch_index: int) -> dict[str, Any]:
        """Scores a batch and returns the predictions of the tasks that it has labels for; none of an empty batch."""
        if not batch:
            return {}
        scored = {name: self.each(name) for name, _ in self.each_metric() if labelled(self.each(name), batch)}
        self.normalise(batch.get("counts"))
        outputs = self.outputs(batch["image"], list(scored.items()))
        predictions = self.predicted(outputs, batch["image"], batch.get("places"))
        for name, metric in self.each_metric():
            if name in scored:
                metric.update(predictions[name], scored[name].truth(batch))
        return predictions

    def predictions(self, images: Tensor, places: tuple[Tensor, Tensor] | None) -> dict[str, Any]:
        """What each task makes of (N, 3, H, W) uint8 images; in their files' pixels where it is said how they lie."""
        return self.predicted(self(images), images, places)

    def predicted(self, outputs: Mapping[str, Any], images: Tensor, places: Any) -> dict[str, Any]:
        """What tasks make of their outputs."""
        (height, width), lie = images.shape[-2:], None if places is None else Places(*places)
        return {name: self.each(name).predict(raw, (height, width), lie) for name, raw in outputs.items()}

    def on_validation_epoch_end(self) -> None:
        several = len(self.tasks) > 1
        self.scores, main, images = {}, [], []
        for name, metric in self.each_metric():
            if self.limited() and not self.trainer.strategy.reduce_boolean_decision(metric.update_called, all=False):
                continue  # none of the few images had its labels, in any process
            task, scores = self.each(name), metric.compute()
            if self.trainer.is_global_zero:  # which writes the checkpoints
                task.calibrate(metric)
                if name in self.card.get("tasks", ()):
                    self.card["tasks"][name] |= task.card()
            metric.reset()
            self.expect_all_images(task.target, scores["images"])
            images.append(scores["images"])
            main += [] if scores[task.score] is None else [float(scores[task.score])]
            self.scores |= {f"{name}/{key}": value for key, value in scores.items()} if several else scores
        if several:
            data = getattr(self.trainer, "datamodule", None)
            self.scores["images"] = max(images, default=0) if data is None or self.limited() else len(data.val)
        given = {key: float(value) for key, value in self.scores.items() if value is not None}
        given[self.main_score] = sum(main) / len(main) if main else float("nan")  # never missing: it picks the best
        self.log_dict({f"val/{key}": value for key, value in given.items()})

    def limited(self) -> bool:
        """Whether only some of the images are scored; a limit of int 1 is one batch, a float 1.0 all of them."""
        limit = self.trainer.limit_val_batches
        return self.trainer.sanity_checking or not (isinstance(limit, float) and limit == 1.0)

    def expect_all_images(self, target: str, images: int) -> None:
        """Every image with this kind of label must be scored exactly once, however many processes share the work."""
        data = getattr(self.trainer, "datamodule", None)
        if data is not None and not self.limited() and images != data.val_images(target):
            raise RuntimeError(f"scored {images} images of {data.val_images(target)} with {target}")

    def keep_frozen(self, anew: Iterable[str] = ()) -> None:
        """Keep the frozen parts as they are: no gradients, and statistics that do not move.

        Args:
            anew: names of tensors that nothing was loaded into; they learn nevertheless.
        """
        anew = tuple(anew)
        parts = ["backbone" if name == "backbone" else f"tasks.{name}" for name in sorted(self.frozen)]
        for part in parts:
            for name, parameter in self.get_submodule(part).named_parameters(part):
                parameter.requires_grad_(name in anew)
            self.frozen_modules |= {
                path
                for path, _ in self.get_submodule(part).named_modules(prefix=part)
                if not any(name.startswith(f"{path}.") for name in anew)
            }
        self.train(self.training)

    def train(self, mode: bool = True) -> "Learner":
        """Set training or evaluation mode, but for what is frozen."""
        super().train(mode)
        if mode and self.frozen_modules:  # by name: trainer.sync_batchnorm puts other modules in their places
            for name, module in self.named_modules():
                if name in self.frozen_modules:
                    module.training = False
        return self

    def make_optimizer(self) -> Optimizer:
        """The optimiser of what is trained; biases and normalisation are left out of weight decay."""
        assert self.optimizer is not None
        trained = [parameter for parameter in self.parameters() if parameter.requires_grad]
        return self.optimizer(
            [
                {"params": [parameter for parameter in trained if parameter.ndim > 1]},
                {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
            ]
        )

    def configure_optimizers(self) -> Any:
        assert self.scheduler is not None
        optimizer = self.make_optimizer()
        data = getattr(self.trainer, "datamodule", None)  # ours knows the steps; other loaders are asked by Lightning
        self.steps = data.total_steps() if data is not None else int(self.trainer.estimated_stepping_batches)
        scheduler = self.scheduler(optimizer, self.steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["mobilevision"] = self.card


def labelled(task: Task, batch: Batch) -> bool:
    """Whether a batch has this task's labels; where nothing is said of it, it has."""
    return "rows" not in batch or task.target in batch["rows"]


def taken(tensors: Mapping[str, Tensor], rows: Tensor | None) -> dict[str, Tensor]:
    """These rows of each tensor; None for all of them."""
    if rows is None:
        return dict(tensors)
    return {name: tensor[rows] for name, tensor in tensors.items()}
