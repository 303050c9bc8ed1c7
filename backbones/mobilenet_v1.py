"""MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications (Howard et al., 2017), table 1."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Literal

from torch import nn

from backbones.base import Backbone
from backbones.blocks import ConvNormAct, ReLU6, TappedBlock, make_divisible
from backbones.inverted import initialise
from backbones.stages import DilationRule, Stages, check_choice

# fmt: off
ROWS = (  # table 1, without the stem of 32 channels: (channels, stride)
    (64, 1),
    (128, 2), (128, 1),
    (256, 2), (256, 1),
    (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1),
    (1024, 2), (1024, 1),  # the table prints a stride of 2 here, but its output does not shrink
)
# fmt: on
SHALLOW = tuple(row for row in ROWS if row != (512, 1))  # table 5: without the five layers of 14×14×512


class DepthwiseSeparable(TappedBlock):
    """One filter per channel, then a 1×1 mix of channels (section 3.1, figure 3).

        x ── 3×3 depthwise ──> 1×1 project
             "depthwise"       "out"

    Args:
        stride, dilation: of the depthwise convolution.
    """

    places: ClassVar[Mapping[str, str]] = {"depthwise": "depthwise", "project": "out"}

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int, dilation: int, norm: partial[nn.BatchNorm2d]
    ) -> None:
        super().__init__()
        self.depthwise = ConvNormAct(
            in_channels, in_channels, 3, stride=stride, dilation=dilation, groups=in_channels, act=ReLU6, norm=norm
        )
        self.project = ConvNormAct(in_channels, out_channels, act=ReLU6, norm=norm)


class MobileNetV1(Backbone):
    """MobileNetV1 for (N, 3, H, W) images; c1…c5 with cN_first and cN_depthwise, named as in InvertedBackbone.

    Its paper's baselines are the same network of plain 3×3 convolutions, which has no maps cN_depthwise (table 4), and
    a shallow one (table 5). The activation is ReLU6 as in the authors' code (the paper draws ReLU).

    Args:
        width: multiplies the channels (section 3.3).
        convolution: "separable", or "full": a 3×3 convolution in the place of each depthwise separable one.
        shallow: leave out the five layers of 14×14×512.
        output_stride, skip_strides, dilation_rule: see Stages.
        norm_eps: 1e-3 as in TensorFlow's code.
        norm_momentum: as in PyTorch: the weight of the new batch; 0.01 as in Keras (slim: 0.0003).

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        convolution: Literal["separable", "full"] = "separable",
        shallow: bool = False,
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
    ) -> None:
        check_choice("convolution", convolution, ("separable", "full"))
        stages = Stages(output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        channels = make_divisible(32 * width)
        stages.add_stem(channels, act=ReLU6, norm=norm)
        for row_channels, row_stride in SHALLOW if shallow else ROWS:
            out = make_divisible(row_channels * width)
            step = stages.step(row_stride)
            if row_stride == 2:
                stages.announce(f"c{stages.level}_first", out)
            if convolution == "separable":
                stages.announce(f"c{stages.level}_depthwise", channels, "depthwise")
            stages.announce(f"c{stages.level}", out)
            stride, dilation = step.stride, step.dilation
            stages.add(
                DepthwiseSeparable(channels, out, stride=stride, dilation=dilation, norm=norm)
                if convolution == "separable"
                else ConvNormAct(channels, out, 3, stride=stride, dilation=dilation, act=ReLU6, norm=norm)
            )
            channels = out
        super().__init__(stages.modules, stages.features, stages.taps)
        initialise(self)
