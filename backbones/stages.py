"""Tracks resolution while a network is built: strides that become dilation, names of maps."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from torch import nn

from backbones.base import Feature, Hidden, Tap
from backbones.blocks import Activation, ConvNormAct

DilationRule = Literal["paper", "torchvision"]


class Step(NamedTuple):
    """Effective stride and dilation of a block's spatial convolution."""

    stride: int
    dilation: int
    shortcut: bool  # whether the block keeps the resolution and may add its input


class Stages:
    """Modules in order, with the maps named so far.

    `level` counts the strides of 2 in the paper's network: its maps are named c<level>.

    Args:
        output_stride: 8, 16 or 32. Strides beyond it become dilation.
        skip_strides: number of initial strides to skip, without dilation: 2 for CIFAR's 32×32 images, which the network
            then processes like 128×128.
        dilation_rule: "paper" dilates from the block after the one that lost its stride (and gives that block a
            shortcut if its shape allows), "torchvision" from that block itself.

    Raises:
        ValueError: for an unknown output stride or rule.
    """

    def __init__(
        self, *, output_stride: int = 32, skip_strides: int = 0, dilation_rule: DilationRule = "paper"
    ) -> None:
        check_choice("output_stride", output_stride, (8, 16, 32))
        check_choice("skip_strides", skip_strides, (0, 1, 2, 3))
        check_choice("dilation_rule", dilation_rule, ("paper", "torchvision"))
        self.output_stride, self.skip, self.dilation_rule = output_stride, skip_strides, dilation_rule
        self.modules: list[nn.Module] = []
        self.features: dict[str, Feature] = {}
        self.taps: dict[str, Tap] = {}
        self.level, self.reduction, self.dilation = 0, 1, 1

    def step(self, stride: int) -> Step:
        """The step of the next block, given its stride in the paper."""
        if stride == 1:
            return Step(1, self.dilation, True)
        self.level += 1
        if self.level <= self.skip:
            return Step(1, 1, True)
        if self.reduction * stride > self.output_stride:  # keep the resolution, widen the receptive field instead
            before, self.dilation = self.dilation, self.dilation * stride
            paper = self.dilation_rule == "paper"
            return Step(1, before if paper else self.dilation, paper)
        self.reduction *= stride
        return Step(stride, self.dilation, False)

    def add_stem(self, channels: int, kernel: int = 3, *, act: Activation, norm: partial[nn.BatchNorm2d]) -> None:
        """Append the first convolution, of stride 2 in all these networks; its map is c1 unless a later one is."""
        stride = self.step(2).stride
        self.announce("c1", channels)
        self.add(ConvNormAct(3, channels, kernel, stride=stride, act=act, norm=norm))

    def announce(self, name: str, channels: int, place: str = "out", hidden: Hidden | None = None) -> None:
        """Name a map of the module added next, at the current resolution."""
        self.features[name], self.taps[name] = (
            Feature(channels, self.reduction, hidden),
            Tap(len(self.modules), place),
        )

    def add(self, module: nn.Module) -> None:
        """Append a module."""
        self.modules.append(module)


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Raises a ValueError that names the value and the choices if it is not one of them."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(str, choices))}")
