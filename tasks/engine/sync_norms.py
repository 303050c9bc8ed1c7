"""Batch normalisation over all processes, including layers that contain their activation."""

import torch
from lightning.pytorch.plugins import TorchSyncBatchNorm


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
