"""Builds objects from a configuration; build errors are reported in one line."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import lightning
import torch
from hydra.errors import InstantiationException
from lightning import Callback
from lightning.fabric.plugins.environments import SLURMEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import Logger

from backbones.base import Backbone, Feature
from backbones.domain_norm import separate_domains
from tasks.checkpoint.saving import CheckpointFiles
from tasks.common.errors import UserError, is_out_of_memory, located
from tasks.common.origin import needs_traceback
from tasks.common.task import Task
from tasks.config.proportion import check_parameters, is_wide
from tasks.config.stored import typed_places
from tasks.config.tree import Spec
from tasks.data.loading.cache import Cache
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.drawing import DrawSettings
from tasks.data.loading.settings import DataSettings
from tasks.data.loading.splits import Splits
from tasks.data.transforms.label_fill import with_void
from tasks.engine import quiet  # noqa: F401 - before any trainer is made
from tasks.engine.instantiate import make
from tasks.engine.learner import Learner
from tasks.engine.parameter_groups import of_blocks
from tasks.engine.schedules import ANY_LENGTH
from tasks.engine.settings import HeadSettings, LearnerSettings, TrainerSettings
from tasks.engine.sync_norms import SyncNorms


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn errors while building the configuration's objects into one line: the root cause's message and location.

    Only for building: an error in a forward pass or in training is a fault of the code. Errors in a user's own class,
    bugs of ours, out-of-memory errors and errors of any type not listed below are left unchanged.

    Raises:
        UserError: instead of ValueError, TypeError, RuntimeError, ImportError, Hydra's InstantiationException and
            Lightning's MisconfigurationException.
    """
    try:
        yield
    except UserError:
        raise
    except (
        ValueError,
        TypeError,
        RuntimeError,
        ImportError,
        InstantiationException,
        MisconfigurationException,
    ) as error:
        if needs_traceback(error) or is_out_of_memory(error):
            raise
        root: BaseException = error
        while root.__cause__ is not None:
            root = root.__cause__
        message = " ".join(str(root).split()) or type(root).__name__
        raise UserError(located(message, error)) from error


def build(
    settings: LearnerSettings,
    classes: Mapping[str, Sequence[Any]],
    sources: Mapping[str, Sequence[str]] | None = None,
    inactive_heads: Sequence[str] = (),
) -> Learner:
    """Build a learner with backbone, heads and tasks from the settings, with initial weights.

    Args:
        classes: of the data set, by kind of label.
        sources: for a mixture, the names of the data sets that have each kind of label.
        inactive_heads: names of heads that the data has no labels for.

    Raises:
        UserError: for incompatible choices.
    """
    with user_errors():
        count_parameters(settings, classes)
        backbone = make_backbone(settings.backbone)
        tasks = [make_task(name, part, backbone.features, classes) for name, part in settings.heads.items()]
        optimizer, scheduler = make(settings.optimizer, "optimizer"), make(settings.scheduler, "scheduler")
        scheduler(optimizer([torch.nn.Parameter(torch.zeros(1))]), ANY_LENGTH)  # wrong values fail now
        backbone.keep({name for task in tasks for name in task.head.maps})
        typed = ("optimizer", "layer_decay") in typed_places()
        finetune = of_blocks(backbone, settings.finetune, typed=typed)
        learner = Learner(
            backbone,
            tasks,
            optimizer,
            scheduler,
            balance=make(settings.balance, "balance"),
            frozen=settings.names_of_frozen,
            inactive_heads=inactive_heads,
            domains=make_domains(backbone, tasks, settings, sources or {}),
            decay=settings.decay,
            finetune=finetune,
        )
    return learner.to(memory_format=torch.channels_last) if settings.channels_last else learner


def count_parameters(settings: LearnerSettings, classes: Mapping[str, Sequence[Any]]) -> None:
    """Count the parameters of a wide network before allocating them.

    Raises:
        UserError: for more than a machine can hold, unless `confirm` is true.
    """
    if not any(map(is_wide, (settings.backbone, *(part.head for part in settings.heads.values())))):
        return
    with torch.device("meta"):
        backbone = make_backbone(settings.backbone)
        tasks = [make_task(name, part, backbone.features, classes) for name, part in settings.heads.items()]
    width = f"backbone.width={settings.backbone['width']}" if "width" in settings.backbone else "the network"
    count = sum(weight.numel() for module in (backbone, *tasks) for weight in module.parameters())
    check_parameters(width, count, settings.confirmed)


def make_backbone(spec: Spec) -> Backbone:
    """Build the backbone from its spec."""
    backbone: Backbone = make(spec, "backbone")
    return backbone


def detector_on_paper(settings: LearnerSettings, part: HeadSettings, count: int) -> tuple[Mapping[str, Feature], Any]:
    """What the backbone announces, and a head for so many classes, neither with weights.

    Raises:
        UserError: for incompatible choices.
    """
    with torch.device("meta"), user_errors():
        features = make_backbone(settings.backbone).features
        return features, make(part.head, "head")(features, count)


def make_task(
    name: str, part: HeadSettings, features: Mapping[str, Feature], classes: Mapping[str, Sequence[Any]]
) -> Task:
    """Build a task with its head, for the classes of its kind of label.

    Raises:
        ValueError: for example if the head reads maps that the backbone does not have; names the head.
    """
    where = f"{name}." if name else ""
    head, task = make(part.head, f"{where}head"), make(part.task, f"{where}task", _partial_=True)
    try:
        built: Task = task(features=features, head=head, classes=classes[task.func.info.target])
    except ValueError as error:
        raise ValueError(f"{name}: {error}" if name else str(error)) from None
    return built


def make_domains(
    backbone: Backbone, tasks: Sequence[Task], settings: LearnerSettings, sources: Mapping[str, Sequence[str]]
) -> dict[str, int]:
    """Give the backbone separate statistics for each data set of a mixture, if `batchnorm` asks for it.

    Returns:
        By task, the index of the first data set that has its labels; see Learner.

    Raises:
        ValueError: if the data is not a mixture.
    """
    if not settings.separate_statistics:
        return {}
    names = list(settings.datasets)
    if len(names) < 2:
        raise ValueError("batchnorm=separate is for several data sets: datasets=[…]")
    separate_domains(backbone, len(names))
    first = {kind: names.index(given[0]) for kind, given in sources.items()}
    return {task.name: first.get(task.target, 0) for task in tasks}


def build_data(settings: DataSettings, seed: int, splits: Splits) -> DataModule:
    """Build the data module with loaders for the data set's splits.

    Raises:
        UserError: for a transform that cannot be built.
    """
    with user_errors(), warnings.catch_warnings():
        warnings.filterwarnings("error", message=r"Argument\(s\) .* not valid for transform")  # albumentations warns
        return DataModule(
            splits.train,
            splits.val,
            augment=make(with_void(settings.augment), "data.augment"),
            own_augment=make(with_void(settings.own_augment), "data.own_augment"),
            crop=make(settings.crop, "data.crop"),
            fit=make(settings.fit, "data.fit"),
            progressive=settings.progressive,
            scales=settings.scales,
            max_broken=settings.max_broken,
            batch_size=settings.batch_size,
            eval_batch_size=settings.eval_batch_size,
            repeat=settings.repeat,
            workers=settings.workers,
            start_method=settings.start_method,
            decode=settings.decode,
            cache=Cache(
                where=settings.cache, folder=settings.cache_folder, side=settings.cache_side, limit=settings.cache_gb
            ),
            drawing=draw_settings(settings),
            seed=seed,
        )


def draw_settings(settings: DataSettings) -> DrawSettings:
    """How training images are drawn."""
    return DrawSettings(
        draw=settings.draw or {},
        balance=settings.balance or 0.0,
        repeat_factor=settings.repeat_factor or 0.0,
        targets=settings.targets,
        order=settings.order,
        window=settings.window,
    )


def make_trainer(
    settings: TrainerSettings, callbacks: Sequence[Callback], loggers: Sequence[Logger] = ()
) -> lightning.Trainer:
    """Build the trainer, without Lightning's default extras.

    It validates at least as often as requested, and always after the last epoch.

    Raises:
        UserError: for anything Lightning rejects: an unavailable accelerator, …
    """
    epochs, every = settings.max_epochs, settings.check_every
    with user_errors():
        trainer: lightning.Trainer = make(
            settings.spec,
            "trainer",
            check_val_every_n_epoch=max(n for n in range(1, every + 1) if epochs % n == 0),
            callbacks=list(callbacks),
            plugins=[SyncNorms()] if settings.sync_batchnorm else None,
            sync_batchnorm=False,  # the plugin does it
            logger=list(loggers) or False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
            use_distributed_sampler=False,  # our samplers distribute the batches
        )
        if settings.sync_batchnorm and trainer.world_size > 1 and trainer.strategy.root_device.type == "cpu":
            raise UserError("trainer.sync_batchnorm=true needs GPUs: PyTorch has it for no CPU")
        trainer.strategy.checkpoint_io = CheckpointFiles()
        if hasattr(trainer.strategy, "_timeout"):  # of the strategies with a group of processes
            trainer.strategy._timeout = timedelta(minutes=settings.minutes)
        if isinstance(environment := trainer._accelerator_connector.cluster_environment, SLURMEnvironment):
            environment.auto_requeue = False  # Lightning would write a checkpoint of its own; see StopOnSignal
    return trainer
