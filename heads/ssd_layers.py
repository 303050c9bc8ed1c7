"""The layers of SSD (Liu et al., ECCV 2016, figure 2) and SSDLite: additional maps and predictors."""

from collections import OrderedDict
from functools import partial
from typing import Literal, get_args

from torch import nn

from backbones.blocks import ConvNormAct, ReLU6

Convolution = Literal["separable", "full"]


class Layers:
    """Makes the layers of SSD or of SSDLite.

        separable (SSDLite)   predictor: 3×3 depthwise, 1×1    additional map: 1×1, 3×3 depthwise stride 2, 1×1
        full (SSD)            predictor: 3×3                   additional map: 1×1, 3×3 stride 2

    Args:
        convolution: "separable", or "full" for plain convolutions.
        kernel: of the predictors: 3; full ones may also have 1, as TensorFlow's SSD with MobileNetV1.
        norm: makes a batch normalisation. A full predictor has none.

    Raises:
        ValueError: for another convolution or kernel.
    """

    def __init__(self, convolution: Convolution, kernel: int, norm: partial[nn.BatchNorm2d]) -> None:
        if convolution not in get_args(Convolution):
            raise ValueError(f"head.convolution={convolution!r} is not one of {', '.join(get_args(Convolution))}")
        kernels = (1, 3) if convolution == "full" else (3,)
        if kernel not in kernels:
            raise ValueError(
                f"head.kernel={kernel} with head.convolution={convolution} must be {' or '.join(map(str, kernels))}"
            )
        self.convolution, self.kernel, self.norm = convolution, kernel, norm

    def halving(self, in_channels: int, out_channels: int) -> nn.Sequential:
        """An additional map of half the size."""
        inside = out_channels // 2
        squeeze = ConvNormAct(in_channels, inside, act=ReLU6, norm=self.norm)
        if self.convolution == "full":
            return nn.Sequential(squeeze, ConvNormAct(inside, out_channels, 3, stride=2, act=ReLU6, norm=self.norm))
        return nn.Sequential(
            squeeze,
            ConvNormAct(inside, inside, 3, stride=2, groups=inside, act=ReLU6, norm=self.norm),
            ConvNormAct(inside, out_channels, act=ReLU6, norm=self.norm),
        )

    def predictor(self, in_channels: int, out_channels: int, name: str) -> nn.Sequential:
        """A predictor; its last convolution has a bias and, in the state dict, this name."""
        if self.convolution == "full":
            last = nn.Conv2d(in_channels, out_channels, self.kernel, padding=self.kernel // 2)
            return nn.Sequential(OrderedDict([(name, last)]))
        depthwise = ConvNormAct(in_channels, in_channels, 3, groups=in_channels, act=ReLU6, norm=self.norm)
        return nn.Sequential(OrderedDict([("depthwise", depthwise), (name, nn.Conv2d(in_channels, out_channels, 1))]))
