"""Batch normalisation over all processes, including layers that contain their activation."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from lightning.pytorch.plugins import TorchSyncBatchNorm
from torch import nn

from backbones.domain_norm import DomainBatchNorm
from tasks.common.errors import UserError


class SyncNorms(TorchSyncBatchNorm):
    """Lightning's conversion, but keeps the activations inside timm's BatchNormAct2d, which Lightning drops."""

    def apply(self, model: torch.nn.Module) -> torch.nn.Module:
        """Convert a network's layers to torch.nn.SyncBatchNorm."""
        if any(type(module).__name__ == "BatchNormAct2d" for module in model.modules()):
            from timm.layers import convert_sync_batchnorm

            converted: torch.nn.Module = convert_sync_batchnorm(model)
        else:
            converted = super().apply(model)
        return converted


def check_sums_meet(backbone: nn.Module, lacking: Mapping[str, nn.Module], counts: Sequence[int] | None) -> None:
    """Check that this process runs every layer whose sums the other processes wait for.

    Args:
        lacking: trained heads that do not see the batch, by name, since it has none of their labels.
        counts: images of each data set in the batch.

    Raises:
        UserError: if one of these heads has such layers, or the backbone has them for each data set and one is missing.
    """
    for name, head in lacking.items():
        if is_synchronised(head.modules()):
            raise UserError(refusal(f"no labels of {name}"))
    if counts is not None and 0 in counts:
        separate = (
            norm for module in backbone.modules() if isinstance(module, DomainBatchNorm) for norm in module.norms
        )
        if is_synchronised(separate):
            raise UserError(refusal("no image of a data set with statistics of its own"))


def refusal(what: str) -> str:
    """What to say of a batch."""
    return f"trainer.sync_batchnorm=true: a batch of one process has {what}: raise data.batch_size, or set it to false"


def is_synchronised(modules: Iterable[nn.Module]) -> bool:
    """Whether a layer's statistics are summed over all processes."""
    return any(isinstance(module, nn.SyncBatchNorm) and module.training for module in modules)
