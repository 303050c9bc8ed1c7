"""Builds a backbone from rows of inverted residuals: output stride, dilation, shortcuts and map names by one rule."""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

from torch import nn

from backbones.base import Backbone, Feature, Tap
from backbones.blocks import Activation, ConvNormAct, InvertedResidual

WidthRule = Literal["paper", "torchvision"]
DilationRule = Literal["paper", "torchvision"]
Tail = Literal["full", "segmentation", "detection"]


class Block(NamedTuple):
    """One inverted residual with its final channel counts."""

    kernel: int
    expanded: int
    out: int
    excite_hidden: int
    act: Activation
    stride: int


class InvertedBackbone(Backbone):
    """Stem, inverted residuals, last 1×1 convolution.

    Besides c1…c5 (c5 is the last convolution) the inner maps that heads read are announced by the same rule:

        cN_first      output of the first block at that level            (c3_first: torchvision's LR-ASPP)
        cN_expanded   expansion in the first block of the next level     (c4_expanded: SSDLite)
        cN_depthwise  depthwise output of the level's last block         (c3_depthwise: the paper's LR-ASPP)
        c5_bottleneck output of the last inverted residual, where asked  (MobileNetV2's segmentation)

    Args:
        output_stride: 8, 16 or 32. Strides beyond it become dilation.
        dilation_rule: "paper" dilates from the block after the one that lost its stride (and gives that block a
            shortcut if its shape allows one), "torchvision" from that block itself.
        norm_momentum: of batch normalisation, in PyTorch's sense: the weight of the new batch.

    Raises:
        ValueError: for an output stride or rule that does not exist.
    """

    def __init__(
        self,
        *,
        stem: int,
        blocks: Sequence[Block],
        last: int,
        hidden: int,
        act: Activation,
        norm_eps: float,
        norm_momentum: float,
        output_stride: int,
        dilation_rule: DilationRule,
        announce_bottleneck: bool = False,
    ) -> None:
        check_choice("output_stride", output_stride, (8, 16, 32))
        check_choice("dilation_rule", dilation_rule, ("paper", "torchvision"))
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        modules: list[nn.Module] = [ConvNormAct(3, stem, 3, stride=2, act=act, norm=norm)]
        features, taps = {"c1": Feature(stem, 2)}, {"c1": Tap(0)}

        def announce(name: str, channels: int, place: str = "out") -> None:
            features[name], taps[name] = Feature(channels, reduction), Tap(len(modules), place)

        channels, level, reduction, dilation = stem, 1, 2, 1
        for block in blocks:
            enters_level = block.stride == 2
            stride, rate, shortcut = block.stride, dilation, not enters_level
            if enters_level and reduction * stride > output_stride:  # keep resolution, widen the view instead
                dilation *= stride
                if dilation_rule == "torchvision":
                    rate = dilation
                else:
                    shortcut = True
                stride = 1
            if enters_level:
                if block.expanded != channels:
                    announce(f"c{level}_expanded", block.expanded, "expanded")
                level += 1
            reduction *= stride
            if enters_level:
                announce(f"c{level}_first", block.out)
            announce(f"c{level}_depthwise", block.expanded, "depthwise")
            announce(f"c{level}", block.out)
            modules.append(
                InvertedResidual(
                    channels, block.expanded, block.out, block.kernel, stride=stride, dilation=rate,
                    excite_hidden=block.excite_hidden, act=block.act, norm=norm,
                    residual=shortcut and channels == block.out,
                )
            )  # fmt: skip
            channels = block.out
        if announce_bottleneck:
            features["c5_bottleneck"], taps["c5_bottleneck"] = features["c5"], taps["c5"]
        announce("c5", last)
        modules.append(ConvNormAct(channels, last, act=act, norm=norm))
        super().__init__(modules, features, taps, hidden)
        initialise(self)


def check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    """Refuse a value that is not among the choices, naming both."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} is not one of {', '.join(map(str, choices))}")


def initialise(network: nn.Module) -> None:
    """He initialisation by fan-out, as torchvision starts its MobileNets."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
