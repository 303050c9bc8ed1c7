"""Restores a checkpoint's network: checks the metadata, rebuilds the network, loads its weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.checkpoint import load_state
from tasks.config.stored import rebuilt
from tasks.config.tree import Tree
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tasks.engine.rounding.attach import attach
from tasks.engine.rounding.settings import RoundingSettings
from tasks.engine.settings import LearnerSettings
from tasks.engine.weights import classes_of, sources_of


class Trained(NamedTuple):
    """A network with the resolved configuration that it was built from."""

    learner: Learner
    config: Tree


def build_again(metadata: Mapping[str, Any], path: str | Path) -> Trained:
    """Build the network that metadata describes, with initial weights; nothing is downloaded.

    Args:
        metadata: of a checkpoint, or card.json of an exported file.
        path: of the file, for messages.

    Raises:
        UserError: for a class in the wrong place, a value that violates its rule, or incompatible parts.
    """
    config = rebuilt(metadata, path)
    return Trained(build(LearnerSettings.of(config), classes_of(metadata), sources_of(metadata)), config)


def load_trained(checkpoint: Mapping[str, Any], path: str | Path, *, rounded: bool = False) -> Trained:
    """Load the trained network of a checkpoint, in evaluation mode.

    Args:
        checkpoint: as returned by open_checkpoint() or read_ours().
        path: of the file, for messages.
        rounded: whether a network of quantisation-aware training rounds as it was trained to.

    Raises:
        UserError: as in build_again(), or for weights that do not fit.
    """
    metadata = checkpoint["mobilevision"]
    trained = build_again(metadata, path)
    for name, task in trained.learner.each_task():
        task.recall(metadata["tasks"][name])
    rounding = RoundingSettings.of(trained.config)
    if rounded and rounding is not None:
        attach(trained.learner, rounding)
    load_state(trained.learner, checkpoint, path)
    trained.learner.eval()
    return trained
