"""The cost of a network: parameters and multiply-adds, counted as in the papers."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from backbones.base import Feature


class Size(NamedTuple):
    """Trainable parameters with and without BatchNorm's, and multiply-adds for one image."""

    params: int
    params_without_norm: int
    madds: int


class NoBackbone(nn.Module):
    """Empty maps of these features, for a head that is counted by itself."""

    def __init__(self, features: Mapping[str, Feature]) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """From (N, 3, H, W)."""
        count, _, height, width = images.shape
        return {
            name: images.new_empty(
                count, feature.channels, *(-(-side // feature.reduction) for side in (height, width))
            )
            for name, feature in self.features.items()
        }


def measure(backbone: nn.Module, head: nn.Module, height: int, width: int) -> Size:
    """Count a network, on the meta device or any other; leaves it in evaluation mode.

    Multiply-adds are those of convolutions and matrix products (`torch.utils.flop_counter`, halved), without
    normalisation, pooling, activation or resizing, as is the papers' convention.
    """
    modules = nn.ModuleList([backbone, head])
    modules.eval()
    image = torch.empty(1, 3, height, width, device=next(modules.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        head(backbone(image))
    norms = [module for module in modules.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    params = sum(parameter.numel() for parameter in modules.parameters())
    return Size(
        params,
        params - sum(parameter.numel() for norm in norms for parameter in norm.parameters()),
        counter.get_total_flops() // 2,
    )
