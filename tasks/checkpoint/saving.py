"""Writes checkpoints atomically, with digests of their content."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.digest import DIGESTS, METADATA, digests
from tasks.checkpoint.reading import forget
from tasks.common.errors import UserError
from tasks.common.writing import replacing

WEIGHTS = ("state_dict", METADATA, "epoch", "global_step", "pytorch-lightning_version")  # entries of best.ckpt


def save(checkpoint: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint (`state_dict`, `mobilevision` and training state), with its digests.

    Raises:
        UserError: if it cannot be written; an existing file is then unchanged.
    """
    try:
        metadata = {**checkpoint[METADATA], DIGESTS: digests(checkpoint)}
    except ValueError as error:  # state of the user's own callback or optimiser
        raise UserError(f"cannot write {path}, which could not be read again: {error}") from None
    memory = io.BytesIO()  # torch.save hides the error of a full disk
    torch.save({**checkpoint, METADATA: metadata}, memory)
    with replacing(path) as file:
        file.write(memory.getbuffer())


class CheckpointFiles(CheckpointIO):
    """Lightning's checkpoint IO, through save() and read_ours()."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Args:
            storage_options: names of the entries to write; None for all.
        """
        kept = storage_options or checkpoint.keys()
        save({key: value for key, value in checkpoint.items() if key in kept}, Path(path))

    def load_checkpoint(self, path: Any, *_: Any, **__: Any) -> dict[str, Any]:
        checkpoint = read_ours(path)
        forget()  # Lightning passes it to the optimiser, which modifies it
        return checkpoint

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)
