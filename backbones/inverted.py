"""Builds a backbone from rows of inverted residuals: common rules for output stride, dilation, shortcuts and names."""

from functools import partial
from typing import Literal, NamedTuple

from torch import nn

from backbones.base import IMAGENET_MEAN, IMAGENET_STD, Backbone, Hidden
from backbones.blocks import Activation, ConvNormAct, InvertedResidual
from backbones.expansions import join_expansions
from backbones.stages import DilationRule, Stages, check_choice

WidthRule = Literal["paper", "torchvision"]
Shortcut = Literal["bottleneck", "expansion", "none"]
Tail = Literal["full", "segmentation", "detection"]
Normalisation = Literal["imagenet", "half"]
MEAN_AND_STD = {"imagenet": (IMAGENET_MEAN, IMAGENET_STD), "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))}


class Block(NamedTuple):
    """One inverted residual with its final numbers of channels."""

    kernel: int
    expanded: int
    out: int
    excite_hidden: int
    act: Activation
    stride: int
    gate: Activation = nn.Hardsigmoid  # of the squeeze-and-excite


class Plan(NamedTuple):
    """A network of inverted residuals, with its final numbers of channels.

    Attributes:
        stem: channels of the first convolution, which has stride 2.
        last: channels of the last 1×1 convolution.
        hidden: the layer after the pooling, declared with c5.
        act: of the stem and the last convolution.
        norm_momentum: in PyTorch's sense: the weight of the new batch.
        announce_bottleneck: whether c5_bottleneck is one of the maps.
        bottleneck_act: after the projections; None for linear bottlenecks.
        shortcut: between bottlenecks, between expansions, or none (MobileNetV2, figure 6b).
        normalisation: of uint8 images: ImageNet's mean and deviation, or "half": 0-255 to -1-1.
    """

    stem: int
    blocks: tuple[Block, ...]
    last: int
    hidden: Hidden | None
    act: Activation
    norm_eps: float
    norm_momentum: float
    announce_bottleneck: bool = False
    bottleneck_act: Activation | None = None
    shortcut: Shortcut = "bottleneck"
    normalisation: Normalisation = "imagenet"


class InvertedBackbone(Backbone):
    """Stem, inverted residuals, last 1×1 convolution.

    Besides c1…c5 (c5 is the last convolution) it offers the inner maps that heads read, by the same rule:

        cN_first      output of the first block at that level            (c3_first: torchvision's LR-ASPP)
        cN_expanded   expansion in the first block of the next level     (c4_expanded: SSDLite)
        cN_depthwise  depthwise output of the level's last block         (c3_depthwise: the paper's LR-ASPP)
        c5_bottleneck output of the last inverted residual, if requested (MobileNetV2's segmentation)

    Args:
        plan: the network; remains available as `plan`, including layers that `keep` has dropped.
        output_stride, skip_strides, dilation_rule: see Stages.

    Raises:
        ValueError: for an unknown output stride or rule.
    """

    def __init__(self, plan: Plan, *, output_stride: int, skip_strides: int, dilation_rule: DilationRule) -> None:
        check_choice("shortcut", plan.shortcut, ("bottleneck", "expansion", "none"))
        stages = Stages(output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
        norm = partial(nn.BatchNorm2d, eps=plan.norm_eps, momentum=plan.norm_momentum)
        stages.add_stem(plan.stem, act=plan.act, norm=norm)
        channels = plan.stem
        for block in plan.blocks:
            if block.stride == 2 and block.expanded != channels:
                stages.announce(f"c{stages.level}_expanded", block.expanded, "expanded")
            step = stages.step(block.stride)
            if block.stride == 2:
                stages.announce(f"c{stages.level}_first", block.out)
            stages.announce(f"c{stages.level}_depthwise", block.expanded, "depthwise")
            stages.announce(f"c{stages.level}", block.out)
            stages.add(
                InvertedResidual(
                    channels, block.expanded, block.out, block.kernel, stride=step.stride, dilation=step.dilation,
                    excite_hidden=block.excite_hidden, act=block.act, gate=block.gate,
                    project_act=plan.bottleneck_act, norm=norm,
                    residual=plan.shortcut == "bottleneck" and step.shortcut and channels == block.out,
                )
            )  # fmt: skip
            channels = block.out
        if plan.announce_bottleneck:
            stages.features["c5_bottleneck"], stages.taps["c5_bottleneck"] = stages.features["c5"], stages.taps["c5"]
        stages.announce("c5", plan.last, hidden=plan.hidden)
        stages.add(ConvNormAct(channels, plan.last, act=plan.act, norm=norm))
        modules, taps = stages.modules, stages.taps
        if plan.shortcut == "expansion":
            modules, taps = join_expansions(modules, taps)
        check_choice("normalisation", plan.normalisation, tuple(MEAN_AND_STD))
        super().__init__(modules, stages.features, taps, *MEAN_AND_STD[plan.normalisation])
        self.plan = plan
        initialise(self)


def initialise(network: nn.Module) -> None:
    """He initialisation by fan-out, as in torchvision's MobileNets."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
