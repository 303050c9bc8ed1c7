"""Batch normalisation over all processes, for layers that hold their activation as well."""

import torch
from lightning.pytorch.plugins import TorchSyncBatchNorm


class SyncNorms(TorchSyncBatchNorm):
    """Lightning's conversion, which would drop the activations that timm's BatchNormAct2d holds."""

    def apply(self, model: torch.nn.Module) -> torch.nn.Module:
        """The same network with torch.nn.SyncBatchNorm layers."""
        if any(type(module).__name__ == "BatchNormAct2d" for module in model.modules()):
            from timm.layers import convert_sync_batchnorm

            converted: torch.nn.Module = convert_sync_batchnorm(model)
        else:
            converted = super().apply(model)
        return converted
