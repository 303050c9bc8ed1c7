"""A custom backbone: three strided convolutions, with the maps c1, c2 and c3."""

from torch import nn

from backbones.base import Backbone, Feature, Tap
from backbones.blocks import ConvNormAct


class TinyNet(Backbone):
    """Map cN has reduction 2^N.

    Args:
        width: channels of the first map; each further one doubles them.
    """

    def __init__(self, width: int = 8) -> None:
        channels = [3, width, 2 * width, 4 * width]
        blocks = [ConvNormAct(channels[n], channels[n + 1], 3, stride=2, act=nn.ReLU) for n in range(3)]
        features = {f"c{n}": Feature(channels[n], 2**n) for n in (1, 2, 3)}
        super().__init__(blocks, features, {f"c{n}": Tap(n - 1) for n in (1, 2, 3)})
