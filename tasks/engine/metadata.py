"""Metadata in every checkpoint of a training."""

from collections.abc import Mapping
from typing import Any

from lightning import Callback, LightningModule, Trainer

from tasks.engine.learner import Learner


class SaveMetadata(Callback):
    """Writes the metadata into each checkpoint, with values the tasks have determined (such as a drawing threshold).

    Args:
        metadata: see make_metadata of tasks/checkpoint/checkpoint.py.
    """

    def __init__(self, metadata: Mapping[str, Any]) -> None:
        self.metadata = metadata

    def on_save_checkpoint(self, _trainer: Trainer, learner: LightningModule, checkpoint: dict[str, Any]) -> None:
        assert isinstance(learner, Learner)
        tasks = {name: {**entry, **learner.task(name).metadata()} for name, entry in self.metadata["tasks"].items()}
        checkpoint["mobilevision"] = {**self.metadata, "tasks": tasks}
