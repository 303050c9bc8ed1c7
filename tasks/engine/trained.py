"""The network of a checkpoint: its metadata checked, the network built again, its weights loaded."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.checkpoint import load_state
from tasks.config.stored import rebuilt
from tasks.config.tree import Tree
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tasks.engine.settings import LearnerSettings
from tasks.engine.weights import classes_of, sources_of


class Trained(NamedTuple):
    """A network with the configuration that it was built from, resolved."""

    learner: Learner
    config: Tree


def build_again(metadata: Mapping[str, Any], path: str | Path) -> Trained:
    """The network that metadata describes, its weights as they are initialised; nothing is downloaded.

    Args:
        metadata: of a checkpoint, or card.json of an exported file.
        path: of the file, for messages.

    Raises:
        UserError: for a class where another belongs, a value outside its rule, and parts that do not fit together.
    """
    config = rebuilt(metadata, path)
    return Trained(build(LearnerSettings.of(config), classes_of(metadata), sources_of(metadata)), config)


def load_trained(checkpoint: Mapping[str, Any], path: str | Path) -> Trained:
    """The trained network of a checkpoint, in evaluation mode.

    Args:
        checkpoint: as open_checkpoint() or read_ours() gives it.
        path: of the file, for messages.

    Raises:
        UserError: as build_again(), and for weights that do not fit.
    """
    metadata = checkpoint["mobilevision"]
    trained = build_again(metadata, path)
    for name, task in trained.learner.each_task():
        task.recall(metadata["tasks"][name])
    load_state(trained.learner, checkpoint, path)
    trained.learner.eval()
    return trained
