"""MobileNetV4: Universal Models for the Mobile Ecosystem (Qin et al., ECCV 2024): the three without attention."""

from collections.abc import Iterator
from functools import partial
from typing import Literal, NamedTuple

from torch import nn

from backbones.base import Backbone, Hidden
from backbones.blocks import ConvNormAct, ReLU, make_divisible
from backbones.inverted import initialise
from backbones.stages import DilationRule, Stages, check_choice
from backbones.universal import FusedBottleneck, UniversalBottleneck


class Fused(NamedTuple):
    """A 3×3 convolution of stride 2 and a 1×1 projection."""

    expanded: int
    out: int
    linear: bool = True  # no activation after the projection


class Universal(NamedTuple):
    """`repeat` universal inverted bottlenecks, the first with the stride; a kernel of 0 omits that convolution."""

    start: int
    middle: int
    stride: int
    out: int
    factor: float
    repeat: int


class Table(NamedTuple):
    """A network: channels of the first convolution, which has stride 2, and the blocks."""

    stem: int
    rows: tuple[Fused | Universal, ...]

    def blocks(self) -> Iterator[Fused | Universal]:
        """The rows with every repetition by itself, of stride 1."""
        for row in self.rows:
            yield row
            if isinstance(row, Universal):
                yield from (row._replace(stride=1),) * (row.repeat - 1)


# fmt: off
CONV_SMALL = Table(32, (  # MNv4-Conv-S
    Fused(32, 32, linear=False),
    Fused(96, 64, linear=False),
    #   start middle s  out  t  n
    Universal(5, 5, 2,  96, 3.0, 1),
    Universal(0, 3, 1,  96, 2.0, 4),
    Universal(3, 0, 1,  96, 4.0, 1),
    Universal(3, 3, 2, 128, 6.0, 1),
    Universal(5, 5, 1, 128, 4.0, 1),
    Universal(0, 5, 1, 128, 4.0, 1),
    Universal(0, 5, 1, 128, 3.0, 1),
    Universal(0, 3, 1, 128, 4.0, 2),
))
CONV_MEDIUM = Table(32, (  # MNv4-Conv-M
    Fused(128, 48),
    #   start middle s  out  t  n
    Universal(3, 5, 2,  80, 4.0, 1),
    Universal(3, 3, 1,  80, 2.0, 1),
    Universal(3, 5, 2, 160, 6.0, 1),
    Universal(3, 3, 1, 160, 4.0, 2),
    Universal(3, 5, 1, 160, 4.0, 1),
    Universal(3, 3, 1, 160, 4.0, 1),
    Universal(3, 0, 1, 160, 4.0, 1),
    Universal(0, 0, 1, 160, 2.0, 1),
    Universal(3, 0, 1, 160, 4.0, 1),
    Universal(5, 5, 2, 256, 6.0, 1),
    Universal(5, 5, 1, 256, 4.0, 1),
    Universal(3, 5, 1, 256, 4.0, 2),
    Universal(0, 0, 1, 256, 4.0, 1),
    Universal(3, 0, 1, 256, 4.0, 1),
    Universal(3, 5, 1, 256, 2.0, 1),
    Universal(5, 5, 1, 256, 4.0, 1),
    Universal(0, 0, 1, 256, 4.0, 2),
    Universal(5, 0, 1, 256, 2.0, 1),
))
CONV_LARGE = Table(24, (  # MNv4-Conv-L
    Fused(96, 48),
    #   start middle s  out  t  n
    Universal(3, 5, 2,  96, 4.0, 1),
    Universal(3, 3, 1,  96, 4.0, 1),
    Universal(3, 5, 2, 192, 4.0, 1),
    Universal(3, 3, 1, 192, 4.0, 3),
    Universal(3, 5, 1, 192, 4.0, 1),
    Universal(5, 3, 1, 192, 4.0, 5),
    Universal(3, 0, 1, 192, 4.0, 1),
    Universal(5, 5, 2, 512, 4.0, 4),
    Universal(5, 0, 1, 512, 4.0, 1),
    Universal(5, 3, 1, 512, 4.0, 1),
    Universal(5, 0, 1, 512, 4.0, 2),
    Universal(5, 3, 1, 512, 4.0, 1),
    Universal(5, 5, 1, 512, 4.0, 1),
    Universal(5, 0, 1, 512, 4.0, 3),
))
# fmt: on
SIZES = {"small": CONV_SMALL, "medium": CONV_MEDIUM, "large": CONV_LARGE}


class MobileNetV4Conv(Backbone):
    """MobileNetV4-Conv for (N, 3, H, W) images; c5 has 960 channels, the hidden layer after the pooling 1280.

    Inner maps are named as in InvertedBackbone, as far as a block has them: cN_first, cN_expanded (if the first block
    of the next level is a universal one), cN_depthwise (the level's last block with a middle depthwise convolution).

    Args:
        size: "small", "medium" or "large", as in the authors' code. The paper runs them at 224, 256 and 384 pixels.
        width: multiplies the channels, except the 1280 (timm's narrower ones keep the stem's as well).
        output_stride, skip_strides, dilation_rule: see Stages.
        norm_eps: 1e-3 as in TensorFlow's code; timm's weights need 1e-5.
        norm_momentum: as in PyTorch: the weight of the new batch.

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        size: Literal["small", "medium", "large"] = "small",
        width: float = 1.0,
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
    ) -> None:
        check_choice("size", size, tuple(SIZES))
        table = SIZES[size]
        stages = Stages(output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        channels = make_divisible(table.stem * width)
        stages.add_stem(channels, act=ReLU, norm=norm)
        for row in table.blocks():
            out = make_divisible(row.out * width)
            if isinstance(row, Fused):
                expanded, step = make_divisible(row.expanded * width), stages.step(2)
                block: nn.Module = FusedBottleneck(
                    channels, expanded, out, stride=step.stride, dilation=step.dilation,
                    project_act=None if row.linear else ReLU, norm=norm,
                )  # fmt: skip
            else:
                expanded, before = make_divisible(row.factor * channels), stages.dilation
                if row.stride == 2:
                    stages.announce(f"c{stages.level}_expanded", expanded, "expanded")
                step = stages.step(row.stride)
                block = UniversalBottleneck(
                    channels, expanded, out, start=row.start, middle=row.middle, stride=step.stride,
                    start_dilation=before, dilation=step.dilation, norm=norm,
                    residual=step.shortcut and channels == out,
                )  # fmt: skip
                if row.middle:
                    stages.announce(f"c{stages.level}_depthwise", expanded, "depthwise")
            if isinstance(row, Fused) or row.stride == 2:
                stages.announce(f"c{stages.level}_first", out)
            stages.announce(f"c{stages.level}", out)
            stages.add(block)
            channels = out
        last = make_divisible(960 * width)
        stages.announce("c5", last, hidden=Hidden(1280, ReLU, norm=True))
        stages.add(ConvNormAct(channels, last, act=ReLU, norm=norm))
        super().__init__(stages.modules, stages.features, stages.taps)
        initialise(self)
