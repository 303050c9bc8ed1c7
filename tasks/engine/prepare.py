"""What comes before training and scoring: network and data are built, weights loaded, and one step is tried."""

import copy
import math
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import torch

from tasks.checkpoint.checkpoint import make_metadata, read_ours, source_of
from tasks.checkpoint.metadata import REINITIALIZED
from tasks.common.console import report
from tasks.common.cpu import give_way_to_accelerator, keep_freed_memory
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.overrides import typed_keys
from tasks.config.stored import TYPED
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.splits import Splits
from tasks.engine.batch import processes_of
from tasks.engine.build import build, build_data
from tasks.engine.freezing import freeze
from tasks.engine.holdout_checks import check_unseen
from tasks.engine.learner import Learner
from tasks.engine.memory import TOO_FEW
from tasks.engine.quiet import loud_lightning, quiet_lightning
from tasks.engine.rates import without_effect
from tasks.engine.rounding.attach import prepare_rounding
from tasks.engine.settings import DistillationSettings, Run
from tasks.engine.summary import report_costs
from tasks.engine.weights import classes_of_inactive, numbered_as_trained, start


class Prepared(NamedTuple):
    """What a run works with.

    Attributes:
        costs: of each task's network and of all combined, as in network.json.
    """

    learner: Learner
    data: DataModule
    metadata: dict[str, Any]  # stored in checkpoints
    costs: dict[str, Any]


def prepare(run: Run, splits: Splits) -> Prepared:
    """Build the network with initial weights and the data, and report the network's costs.

    Raises:
        UserError: for incompatible choices.
    """
    learner, data, metadata = build_all(run, splits)
    if run.mode == "train" and len(learner.tasks) > 1:
        check_mix(learner)
    return Prepared(learner, data, metadata, report_costs(learner, data))


def build_all(run: Run, splits: Splits) -> tuple[Learner, DataModule, dict[str, Any]]:
    """Build the network with initial weights, the data, and the metadata of its checkpoints.

    Raises:
        UserError: for incompatible choices.
    """
    if run.keep_freed_memory:
        keep_freed_memory()
    give_way_to_accelerator(run.trainer.accelerator)
    quiet_lightning() if run.quiet else loud_lightning()
    lightning.seed_everything(run.seed, verbose=False)
    inactive = [name for name in run.learner.heads if name and infos()[name].target not in splits.classes]
    classes = dict(splits.classes) | classes_of_inactive(run, inactive)
    learner = build(run.learner, numbered_as_trained(run, classes), splits.sources, inactive)
    data = build_data(run.data, run.seed, splits)
    if run.trains:
        data.take(run.data.batch.plan(processes_of(run)))  # wrong choices fail now
    metadata = make_metadata(run.task, run.stored, {name: entry.metadata() for name, entry in learner.each_task()})
    for name, entry in learner.each_task():
        if splits.sources:
            metadata["tasks"][name]["datasets"] = list(splits.sources.get(entry.target, ()))
    if splits.holdout is not None:
        metadata["holdout"] = dict(splits.holdout)
    return learner, data, metadata


def check_mix(learner: Learner) -> None:
    """Raises a UserError if one head's task blends images, which would invalidate the other heads' labels."""
    for name, task in learner.each_task():
        if task.blends:
            raise UserError(
                f"{name}.task.mix blends images, which other heads' labels cannot follow: only with one head"
            )


def ready(run: Run, prepared: Prepared, splits: Splits, folder: Path) -> dict[str, Any]:
    """Load the weights that training starts from, and try everything once.

    Args:
        folder: gets what was loaded, weights.json.

    Returns:
        The metadata of the training's checkpoints, with the names of the reinitialized tensors.

    Raises:
        UserError: for incompatible choices.
    """
    learner, data, metadata, _ = prepared
    if splits.holdout is not None:
        check_unseen(run.source, run.data.dataset, splits.holdout)
    reinitialized = start(run, learner, folder)
    if run.learner.rounding is not None:
        if reinitialized:
            raise UserError(
                f"quantise.aware=true fine-tunes a trained network, but {reinitialized[0]} is new: train it first"
            )
        prepare_rounding(learner, run.learner.rounding, data, resumed=run.source.resume is not None)
    freeze(learner, reinitialized)
    for line in without_effect(learner, run.learner.finetune, typed_keys(TYPED.get())):
        report(line)
    if run.distillation is not None:
        give_teacher(run.distillation, learner)
    batch = data.try_augmentation()
    check_sizes(learner, tuple(batch["image"].shape[-2:]), data.input_size())
    try_step(learner, data.at_size(batch, 0.0))
    for size in {min(data.scales, key=math.prod), max(data.scales, key=math.prod)} if data.scales else ():
        try_step(learner, data.try_augmentation(size))
    for name, entry in learner.each_task():
        if name not in learner.inactive_heads | learner.frozen:
            entry.prepare(data.train)
            if line := entry.advice(data):
                report(line)
    assert data.drawing is not None
    for line in data.drawing.lines():
        report(line)
    if run.source.resume is not None and (source := source_of(read_ours(run.source.resume)["mobilevision"])):
        metadata["started"] = source
    return metadata | {REINITIALIZED: reinitialized}


def try_step(learner: Learner, batch: Any) -> None:
    """Compute the loss of a few images with a copy of the network, so that it fails before training starts.

    Raises:
        UserError: for a map too small to be normalised.
        ImageSizeError: for an image size that the network or the teacher rejects.
    """
    with torch.random.fork_rng():
        trial = copy.deepcopy(learner).cpu().train()
        try:
            trial.balance(trial.losses(batch), trial.shared)
        except ValueError as error:
            if TOO_FEW not in str(error):
                raise
            raise UserError(
                "a map of 1×1 cannot be normalised over one image: raise data.batch_size"
                + (", so that each data set has two in a batch" if "counts" in batch else "; take 2 or more")
            ) from error


def check_sizes(learner: Learner, trained: tuple[int, ...], scored: tuple[int, int]) -> None:
    """Check that training and scoring use one image size if outputs depend on it, as boxes do through their anchors.

    Raises:
        UserError: if the sizes differ.
    """
    fixed = [task.target for _, task in learner.each_task() if task.info.one_size]
    if trained != scored and fixed:
        (height, width), (other_height, other_width) = trained, scored
        raise UserError(
            f"training images are {height}×{width}, scored ones {other_height}×{other_width}; {fixed[0]} require one "
            "fixed size: image_size=[height,width] with data.fit (tasks.data.transforms.letterbox.Stretch) makes both"
        )


def give_teacher(settings: DistillationSettings, learner: Learner) -> None:
    """Add distillation from a teacher to the tasks."""
    from tasks.engine.teacher import make_distillation

    for _, task in learner.each_task():
        task.distillation = make_distillation(settings, task)
