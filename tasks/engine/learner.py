"""The LightningModule of all commands: a backbone and the tasks that learn from it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

import lightning
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torchmetrics import Metric

from backbones.base import Backbone
from heads.boxes import Places
from tasks.common.task import Task
from tasks.common.views import View
from tasks.engine import fused
from tasks.engine.accumulation import StepMeans, group_size
from tasks.engine.finetune import Finetune
from tasks.engine.loss_weights import Balance, FixedWeights
from tasks.engine.parameter_groups import groups_of, scale_rates, with_thaw
from tasks.engine.rounding.rounding import Rounding
from tasks.engine.sync_norms import check_sums_meet
from tasks.engine.weight_decay import parameter_groups

Batch = Mapping[str, Any]


class Learner(lightning.LightningModule):
    """Trains and scores one or several tasks on the maps of one backbone.

    The backbone runs once per batch and computes only the maps that the tasks' heads read. If a batch mixes images of
    several data sets, a head gets only the maps of images that have its labels (`rows` of the batch).

    Args:
        backbone: announces the maps.
        tasks: each reads its own labels from the batch.
        optimizer: called with parameter groups, see make_optimizer.
        scheduler: called with the optimiser and the number of steps; stepped after every batch.
        balance: combines several losses into one; called with the names of the trained tasks. None sums them.
        frozen: what is not trained: "backbone" and names of tasks; see freezing.freeze.
        inactive_heads: names of tasks without labels, which are neither trained nor scored.
        domains: by task, the index of the data set whose statistics normalise images of no particular data set; empty
            unless the backbone has separate statistics (backbones/domain_norm.py).
        decay: which parameters decay, see weight_decay.parameter_groups.
        finetune: how fast the parts learn, and when they start to.

    Attributes:
        frozen_modules: names of the modules that are never put into training mode.
        reinitialized: names of tensors that were not loaded; set by freezing.freeze.
        idle: parameters that are not trained in this step; set by thaw.Thaw.
        rounding: of int8 files, in training and scoring; set by rounding.attach, None for none.
        compiled: what training steps call instead of the backbone and the tasks' heads; set by compiled.Compile.
    """

    def __init__(
        self,
        backbone: Backbone,
        tasks: Iterable[Task],
        optimizer: Callable[..., Optimizer] | None = None,
        scheduler: Callable[..., LRScheduler] | None = None,
        balance: Callable[..., Balance] | None = None,
        frozen: Iterable[str] = (),
        inactive_heads: Iterable[str] = (),
        domains: Mapping[str, int] | None = None,
        decay: Mapping[str, bool | float] | None = None,
        finetune: Finetune | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.tasks = nn.ModuleDict({task.name: task for task in tasks})
        self.metrics = nn.ModuleDict({name: task.metric() for name, task in self.each_task()})
        self.optimizer, self.scheduler, self.decay = optimizer, scheduler, dict(decay or {})
        self.frozen = frozenset(frozen)
        self.balance = (balance or FixedWeights)([name for name in self.tasks if name not in self.frozen])
        self.inactive_heads = frozenset(inactive_heads)
        self.domains = dict(domains or {})
        self.finetune = finetune or Finetune()
        self.frozen_modules: frozenset[str] = frozenset()
        self.reinitialized: frozenset[str] = frozenset()
        self.idle: list[nn.Parameter] = []
        self.compiled = Calls()
        self.means = StepMeans()
        self.rounding: Rounding | None = None
        self.steps = 1  # of the whole training; set in configure_optimizers

    def each_task(self) -> list[tuple[str, Task]]:
        """The tasks by name."""
        return [(name, cast(Task, task)) for name, task in self.tasks.items()]

    def task(self, name: str) -> Task:
        """The task of this name."""
        return cast(Task, self.tasks[name])

    def each_metric(self) -> list[tuple[str, Metric]]:
        """The metrics of the scored tasks, by name."""
        active = ((name, metric) for name, metric in self.metrics.items() if name not in self.inactive_heads)
        return [(name, cast(Metric, metric)) for name, metric in active]

    @property
    def main_score(self) -> str:
        """Metric that selects the best checkpoint: the task's score, or `score`, the mean of several tasks' scores."""
        return "score" if len(self.tasks) > 1 else self.each_task()[0][1].score

    @property
    def score_keys(self) -> list[str]:
        """Keys of the tasks' main scores in scores()."""
        several = len(self.tasks) > 1
        return [f"{name}/{task.score}" if several else task.score for name, task in self.each_task()]

    def forward(self, images: Tensor) -> dict[str, Any]:
        """Raw outputs of every task for (N, 3, H, W) uint8 images; see Task.views."""
        if not self.domains:
            return self.outputs(images, self.each_task())
        outputs: dict[str, Any] = {}
        for domain in sorted(set(self.domains.values())):  # one pass per data set's statistics
            tasks = [(name, task) for name, task in self.each_task() if self.domains[name] == domain]
            outputs |= self.outputs(images, tasks, [0] * domain + [len(images)])
        return outputs

    def outputs(
        self, images: Tensor, tasks: Sequence[tuple[str, Task]], counts: Sequence[int] | None = None
    ) -> dict[str, Any]:
        """Raw outputs of these tasks from one pass of the backbone, or one for each view that a task asks for.

        Args:
            counts: number of images of each data set, see Backbone.forward.
        """
        if self.training:
            maps = self.maps(images, counts)
            return {name: self.raw(name, task, maps) for name, task in tasks}
        views = {name: task.views for name, task in tasks}
        found: dict[str, dict[View, Any]] = {name: {} for name in views}
        for view in dict.fromkeys(view for own in views.values() for view in own):
            maps = self.maps(view.of(images), counts)
            for name, task in tasks:
                if view in views[name]:
                    found[name][view] = self.raw(name, task, maps)
        return {name: task.merge(found[name]) for name, task in tasks}

    def maps(self, images: Tensor, counts: Sequence[int] | None) -> dict[str, Tensor]:
        """The backbone's maps, see Backbone.forward."""
        with self.within("backbone"):
            maps: dict[str, Tensor] = self.backbone(images, counts)
        return maps

    def raw(self, name: str, task: Task, maps: dict[str, Tensor]) -> Any:
        """A head's raw outputs."""
        with self.within(name):
            return task.head(maps)

    def within(self, part: str) -> AbstractContextManager[object]:
        """While it is active, the calls of a part of the network are rounded, if any are."""
        return nullcontext() if self.rounding is None else self.rounding.within(part)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Loss of each trained task, on the images of a training batch that have its labels."""
        return self.losses_and_terms(batch)[0]

    def losses_and_terms(self, batch: Batch) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """losses(), and the terms of each loss that sums several, named like `boxes` or `detect/boxes`."""
        counts = batch.get("counts")
        compiled = self.compiled.get("backbone")  # which has no statistics for each data set
        maps = self.maps(batch["image"], counts) if compiled is None else compiled(batch["image"])
        losses: dict[str, Tensor] = {}
        terms: dict[str, Tensor] = {}
        for name, task in self.each_task():
            if name in self.frozen | self.inactive_heads or not labelled(task, batch):
                continue
            rows = batch["rows"][task.target] if "rows" in batch else None
            head = self.compiled.get(name)
            own = taken(maps, rows)
            outputs = self.raw(name, task, own) if head is None else head(own)
            given = {**batch, **taken({"image": batch["image"]}, rows)}
            losses[name], parts = task.training_loss(outputs, given)
            prefix = f"{name}/" if len(self.tasks) > 1 else ""
            terms.update((f"{prefix}{part}", term.detach()) for part, term in parts.items())
        return losses, terms

    def lacking(self, batch: Batch) -> dict[str, nn.Module]:
        """The trained tasks whose labels this process's batch lacks."""
        trained = {name: task for name, task in self.each_task() if name not in self.frozen | self.inactive_heads}
        return {name: task for name, task in trained.items() if not labelled(task, batch)}

    def unlearned(self, batch: Batch) -> list[nn.Parameter]:
        """Parameters that may have no gradient because this process's batch lacks a trained task's labels."""
        if not (lacking := self.lacking(batch)):
            return []
        modules = (*lacking.values(), self.backbone, self.balance)
        return [each for module in modules for each in module.parameters() if each.requires_grad]

    def shared(self) -> list[nn.Parameter]:
        """Weight of the last convolution before the last block that every task depends on; [] if there is none.

        That block itself is left out: a task's deepest map may leave from inside it, and its remaining layers are then
        not shared. Neither are blocks without gradients.
        """
        taps, first = self.backbone.taps, self.backbone.frozen_blocks
        deepest = min(max(taps[name].block for name in task.head.maps) for _, task in self.each_task())
        weights = [
            weight for block in self.backbone.blocks[first:deepest] for weight in block.parameters() if weight.ndim == 4
        ]
        return weights[-1:]

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """The loss of a batch, to be divided by trainer.accumulate_grad_batches; what is logged is not."""
        if len(self.tasks) == 1:  # blending would invalidate other tasks' labels
            batch = self.each_task()[0][1].mix(batch, self.trainer.global_step / self.steps)
        if self.trainer.world_size > 1:
            check_sums_meet(self.backbone, self.lacking(batch), batch.get("counts"))
        losses, terms = self.losses_and_terms(batch)
        self.balance.paused = bool(self.idle) and not self.shared()
        loss: Tensor = self.balance(losses, self.shared)
        if self.trainer.world_size > 1 and (without := [*self.idle, *self.unlearned(batch)]):
            # DDP waits for a gradient of every parameter
            loss = loss + 0 * torch.stack([parameter.flatten()[0] for parameter in without]).sum()
        values = {"train/loss": loss} | {f"train/{name}": term for name, term in terms.items()}
        if len(self.tasks) > 1:
            weights = self.balance.weights()
            for name, value in losses.items():
                values |= {f"train/{name}/loss": value, f"train/{name}/weight": weights[name]}
        passes: int = self.trainer.accumulate_grad_batches
        if passes == 1:
            self.log_dict(values)
            return loss
        self.log_dict(self.means.after(values, batch_index % passes))
        return loss * (passes / group_size(self.trainer, batch_index))  # the last step of an epoch may have fewer

    def validation_step(self, batch: Batch, _batch_index: int) -> dict[str, Any]:
        """Score a batch; return the predictions of the tasks that it has labels for, {} for an empty batch."""
        if not batch:
            return {}
        scored = {name: self.task(name) for name, _ in self.each_metric() if labelled(self.task(name), batch)}
        outputs = self.outputs(batch["image"], list(scored.items()), batch.get("counts"))
        predictions = self.predictions_from(outputs, batch["image"], batch.get("places"))
        for name, metric in self.each_metric():
            if name in scored:
                metric.update(predictions[name], scored[name].truth(batch))
        return predictions

    def predictions(self, images: Tensor, places: tuple[Tensor, Tensor] | None) -> dict[str, Any]:
        """Each task's predictions for (N, 3, H, W) uint8 images, in file pixels if `places` is given."""
        return self.predictions_from(self(images), images, places)

    def predictions_from(self, outputs: Mapping[str, Any], images: Tensor, places: Any) -> dict[str, Any]:
        """Predictions of the tasks from their raw outputs."""
        (height, width), lie = images.shape[-2:], None if places is None else Places(*places)
        return {name: self.task(name).predict(raw, (height, width), lie) for name, raw in outputs.items()}

    def on_validation_epoch_start(self) -> None:
        for _, metric in self.each_metric():
            metric.reset()

    def on_validation_epoch_end(self) -> None:
        by_task = self.scores_by_task()
        for name, scores in by_task.items():
            self.check_all_scored(self.task(name).target, scores["images"])
            if self.trainer.is_global_zero:  # only this process writes checkpoints
                self.task(name).calibrate(cast(Metric, self.metrics[name]))
        given = {key: float(value) for key, value in self.scores().items() if value is not None}
        main = [scores[self.task(name).score] for name, scores in by_task.items()]
        known = [float(score) for score in main if score is not None]
        given[self.main_score] = sum(known) / len(known) if known else float("nan")  # never missing: selects the best
        self.log_dict({f"val/{key}": value for key, value in given.items()})

    def scores(self) -> dict[str, Any]:
        """Scores of all images since the evaluation began, named as in metrics.json."""
        by_task = self.scores_by_task()
        if len(self.tasks) == 1:
            return {key: value for scores in by_task.values() for key, value in scores.items()}
        entries = {f"{name}/{key}": value for name, scores in by_task.items() for key, value in scores.items()}
        data, images = self.data, [scores["images"] for scores in by_task.values()]
        entries["images"] = max(images, default=0) if data is None or self.limited() else len(data.val)
        return entries

    def scores_by_task(self) -> dict[str, dict[str, Any]]:
        """Scores of each task; metrics compute only once. A limited evaluation leaves out a task if no image in any
        process has its labels.
        """
        return {name: metric.compute() for name, metric in self.each_metric() if self.has_scores(metric)}

    def has_scores(self, metric: Metric) -> bool:
        """Whether a metric was updated in any process; always true in a full evaluation."""
        return not self.limited() or self.trainer.strategy.reduce_boolean_decision(metric.update_called, all=False)

    @property
    def data(self) -> Any:
        """The trainer's data module, which knows its images and steps; None if the trainer was given loaders."""
        return getattr(self.trainer, "datamodule", None)

    def limited(self) -> bool:
        """Whether only some images are scored. A limit of int 1 means one batch, float 1.0 means all."""
        limit = self.trainer.limit_val_batches
        return self.trainer.sanity_checking or not (isinstance(limit, float) and limit == 1.0)

    def check_all_scored(self, target: str, images: int) -> None:
        """Check that every image with this kind of label was scored exactly once, whatever the number of processes.

        Raises:
            RuntimeError: if not.
        """
        if self.data is not None and not self.limited() and images != self.data.val_images(target):
            raise RuntimeError(f"scored {images} images of {self.data.val_images(target)} with {target}")

    def train(self, mode: bool = True) -> "Learner":
        """Set training or evaluation mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        if mode and self.frozen_modules:  # by name, as trainer.sync_batchnorm replaces modules
            for name, module in self.named_modules():
                if name in self.frozen_modules:
                    module.training = False
        return self

    def make_optimizer(self) -> Optimizer:
        """Build the optimiser of all trained parameters, in groups by weight decay and learning rate."""
        assert self.optimizer is not None
        own = groups_of(self, self.backbone, self.finetune, self.reinitialized)
        groups = parameter_groups(self, self.decay, own)
        weights = [weight for group in groups for weight in group["params"]]
        optimizer = self.optimizer(groups, **fused.chosen(self.optimizer, weights, self.clips_scaled()))
        fused.keep_own_way(optimizer)
        scale_rates(optimizer, self.finetune.lr)
        return optimizer

    def clips_scaled(self) -> bool:
        """Whether gradients of a loss that is scaled for half precision are clipped."""
        trainer = self._trainer
        return trainer is not None and trainer.precision == "16-mixed" and bool(trainer.gradient_clip_val)

    def configure_optimizers(self) -> Any:
        assert self.scheduler is not None
        optimizer = self.make_optimizer()
        self.steps = int(self.trainer.estimated_stepping_batches) if self.data is None else self.data.total_steps()
        scheduler = with_thaw(self.scheduler(optimizer, self.steps), self.steps, self.finetune.warmup)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


class Calls(dict[str, Callable[..., Any]]):
    """Compiled parts by name, which copies of a network do not have."""

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Calls":
        return Calls()

    def __reduce__(self) -> tuple[type["Calls"], tuple[()]]:
        return Calls, ()


def labelled(task: Task, batch: Batch) -> bool:
    """Whether a batch has this task's labels; true for a batch without `rows`."""
    return "rows" not in batch or task.target in batch["rows"]


def taken(tensors: Mapping[str, Tensor], rows: Tensor | None) -> dict[str, Tensor]:
    """Select rows of each tensor; None selects all."""
    if rows is None:
        return dict(tensors)
    return {name: tensor[rows] for name, tensor in tensors.items()}
