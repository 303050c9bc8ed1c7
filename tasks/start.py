"""The weights that a network starts from, or is scored with."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from backbones.weights import load_head, load_weights
from tasks.checkpoint import load_state, open_checkpoint, start_from, with_typed
from tasks.errors import UserError
from tasks.learner import Learner
from tasks.report import report


def with_checkpoint(task: str, config: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """The configuration of the checkpoint to resume, evaluate or predict with, with what was typed on top."""
    path = config.resume if config.mode == "train" else config.checkpoint
    if path is None:
        return config
    config = with_typed(open_checkpoint(path, task)["mobilevision"], config, overrides)
    if config.backbone.get("pretrained"):
        config.backbone.pretrained = False  # the checkpoint has the weights: nothing to download
    return config


def classes_of(card: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """The classes that a checkpoint was trained for, by kind of label."""
    return {entry.get("target", "mask"): entry["classes"] for entry in card["tasks"].values()}


def start(task: str, config: DictConfig, learner: Learner) -> None:
    """Weights to start a training from, with a report of what was loaded.

    Raises:
        UserError: for weights that do not fit.
    """
    if config.weights is not None:
        take_weights(learner, str(config.weights))
    if config.checkpoint is not None:
        checkpoint = open_checkpoint(config.checkpoint, task)
        trained = checkpoint["mobilevision"]["tasks"]
        anew = [name for name, entry in learner.each_task() if trained[name]["classes"] != entry.card()["classes"]]
        new = start_from(learner, checkpoint, config.checkpoint, anew)
        named = ", ".join(new) if len(new) <= 4 else f"{new[0]} … {new[-1]} ({len(new)} tensors)"
        made_new = f"; made anew for other classes: {named}" if new else ""
        report(f"weights from {config.checkpoint}{made_new}")


def complete(task: str, config: DictConfig, learner: Learner) -> None:
    """All weights of a network that is scored or predicts: our checkpoint, or a whole network of torchvision's layout.

    Raises:
        UserError: for weights that do not fit, that leave a layer as it was initialised, or that were trained for
            other classes or another order of them.
    """
    if config.checkpoint is not None:
        checkpoint = open_checkpoint(config.checkpoint, task)
        for name, entry in learner.each_task():
            same_classes(
                checkpoint["mobilevision"]["tasks"][name]["classes"], entry.card()["classes"], config.checkpoint
            )
        load_state(learner, checkpoint, config.checkpoint)
        return
    missing = take_weights(learner, str(config.weights))
    if missing:
        raise UserError(
            f"weights={config.weights} has nothing for the head ({missing[0]} …): it can only be trained on"
        )


def same_classes(trained: Sequence[Any], here: Sequence[Any], path: str) -> None:
    """Raises a UserError at the first class that a checkpoint knows otherwise than the data set."""
    if len(trained) != len(here):
        raise UserError(f"{path} knows {len(trained)} classes, the data set has {len(here)}")
    for number, (theirs, ours) in enumerate(zip(trained, here, strict=True)):
        if theirs != ours:
            raise UserError(f"class {number} is {theirs} in {path} and {ours} in the data set")


def take_weights(learner: Learner, source: str) -> list[str]:
    """Other people's weights into the backbone and, where they go on as the head does, into the head.

    Returns:
        Names of the head's tensors for which there was nothing.
    """
    try:
        loaded = load_weights(learner.backbone, source)
    except ValueError as error:
        raise UserError(str(error)) from error
    missing: list[str] = []
    for _, task in learner.each_task():
        loaded, missing = load_head(task.head, loaded)
    report(f"weights from {loaded}" + (f"; the head starts anew: {missing[0]} …" if missing else ""))
    return missing
