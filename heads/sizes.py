"""The cost of a network: parameters and multiply-adds, counted as in the papers."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from backbones.base import Backbone


class Size(NamedTuple):
    """Trainable parameters with and without BatchNorm's, and multiply-adds for one image."""

    params: int
    params_without_norm: int
    madds: int


def measure(backbone: Backbone, head: nn.Module, height: int, width: int) -> Size:
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
