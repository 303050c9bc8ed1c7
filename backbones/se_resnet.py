"""SE-ResNet-50 and -101, and ResNet-50 and -101 as their special case without gates.

Deep Residual Learning (He et al., CVPR 2016), table 1; Squeeze-and-Excitation Networks (Hu et al., TPAMI 2019), with
the choices of its ablations (tables 10 to 16).
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import Backbone
from backbones.blocks import ConvNormAct, ReLU, make_divisible
from backbones.inverted import initialise
from backbones.stages import Stages, Step, check_choice

Squeeze = Literal["avg", "max", "none"]
Excitation = Literal["sigmoid", "tanh", "relu"]
Place = Literal["standard", "pre", "post", "identity", "conv3x3"]
StrideIn = Literal["1x1", "3x3"]

EXCITATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}  # table 12


class Row(NamedTuple):
    """One stage: `repeats[depth]` bottlenecks of this inner width, the first with the stride."""

    stage: int
    width: int
    repeats: dict[int, int]
    stride: int


# fmt: off
ROWS = (  # He et al., table 1
    #  conv width  n by depth     s
    Row(2,  64, {50: 3, 101:  3}, 1),
    Row(3, 128, {50: 4, 101:  4}, 2),
    Row(4, 256, {50: 6, 101: 23}, 2),
    Row(5, 512, {50: 3, 101:  3}, 2),
)
# fmt: on


class Gate(NamedTuple):
    """Position and kind of the gates in the blocks of one stage; see SEResNet."""

    place: Place
    reduction: int
    squeeze: Squeeze
    excitation: Excitation
    bias: bool


class ChannelGate(nn.Module):
    """Scales each channel by a gate that two fully connected layers, a bottleneck, compute from all (section 3).

        x ─┬─ squeeze ── C/reduction ── ReLU ── C ── excitation ── × ──> (N, C, H, W)
           └───────────────────────────────────────────────────────┘

    Without squeeze ("none": section 7.1's NoSqueeze) every position of the map gets its own gate.
    """

    def __init__(self, channels: int, gate: Gate) -> None:
        super().__init__()
        self.squeeze = gate.squeeze
        hidden = max(1, channels // gate.reduction)
        self.reduce = nn.Conv2d(channels, hidden, 1, bias=gate.bias)
        self.expand = nn.Conv2d(hidden, channels, 1, bias=gate.bias)
        self.excitation = EXCITATIONS[gate.excitation]()

    def forward(self, x: Tensor) -> Tensor:
        seen = x
        if self.squeeze == "avg":
            seen = x.mean((2, 3), keepdim=True)  # (N, C, 1, 1)
        elif self.squeeze == "max":
            seen = x.amax((2, 3), keepdim=True)
        gate: Tensor = self.excitation(self.expand(F.relu(self.reduce(seen))))
        return x * gate


class Bottleneck(nn.Module):
    """ResNet's bottleneck, optionally with a gate at one of five places (SENet's figure 5).

        x ─┬─ "pre" ── 1×1 ── 3×3 ── "conv3x3" ── 1×1 ── "standard" ── + ── ReLU ── "post" ──>
           └── 1×1 if the shape changes ───────────── "identity" ──────┘

    "conv3x3" is after that convolution's normalisation and ReLU, "standard" after the last normalisation.

    Args:
        width: channels inside; the output has four times as many.
        step: the effective stride, see Stages. If stride became dilation the shortcut keeps its convolution.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        step: Step,
        stride_in: StrideIn,
        gate: Gate | None,
        norm: partial[nn.BatchNorm2d],
    ) -> None:
        super().__init__()
        out_channels = 4 * width
        outer, inner = (step.stride, 1) if stride_in == "1x1" else (1, step.stride)
        # Registered in this order, so that tensors are in torchvision's checkpoint order.
        self.reduce = ConvNormAct(in_channels, width, stride=outer, act=ReLU, norm=norm)
        self.conv3x3 = ConvNormAct(width, width, 3, stride=inner, dilation=step.dilation, act=ReLU, norm=norm)
        self.expand = ConvNormAct(width, out_channels, act=None, norm=norm)
        self.place = gate.place if gate else None
        channels = {"pre": in_channels, "conv3x3": width}
        self.gate = ChannelGate(channels.get(gate.place, out_channels), gate) if gate else nn.Identity()
        self.shortcut = (
            nn.Identity()
            if in_channels == out_channels and step.stride == 1
            else ConvNormAct(in_channels, out_channels, stride=step.stride, act=None, norm=norm)
        )

    def gated(self, place: Place, x: Tensor) -> Tensor:
        """Apply the gate if it is at this place."""
        return self.gate(x) if place == self.place else x

    def forward(self, x: Tensor) -> Tensor:
        identity = self.gated("identity", self.shortcut(x))
        x = self.gated("conv3x3", self.conv3x3(self.reduce(self.gated("pre", x))))
        x = self.gated("standard", self.expand(x))
        return self.gated("post", F.relu(x + identity))


class SEResNet(Backbone):
    """SE-ResNet for (N, 3, H, W) images: c1 is the stem's convolution, c2…c5 the stages with 256 to 2048 channels.

    If output_stride turns stride into dilation, the block that lost its stride keeps the previous rate and the later
    ones dilate: the rule of both DeepLab and torchvision's `replace_stride_with_dilation`.

    Args:
        depth: 50 or 101 layers.
        width: multiplies the channels. Not in the papers: for trainings in miniature.
        reduction: factor by which the gates narrow, 2 to 32 (table 10); None omits them: ResNet.
        gated_stages: those of 2, 3, 4, 5 whose blocks have a gate (table 13).
        squeeze: "avg" or "max" over the map (table 11), or "none" (section 7.1).
        excitation: the gate's last activation (table 12).
        place: of the gate in the block (table 14), see Bottleneck.
        bias: of the gates' two layers. The ablations have none (section 6).
        stride_in: the convolution that has a block's stride: the 3×3, as in torchvision's and timm's networks, whose
            weights require it, or the first 1×1, as in both papers.
        output_stride, skip_strides: see Stages.
        norm_eps: 1e-5 as in torchvision's weights.
        norm_momentum: as in PyTorch: the weight of the new batch.

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        depth: int = 50,
        width: float = 1.0,
        reduction: int | None = 16,
        gated_stages: Sequence[int] = (2, 3, 4, 5),
        squeeze: Squeeze = "avg",
        excitation: Excitation = "sigmoid",
        place: Place = "standard",
        bias: bool = False,
        stride_in: StrideIn = "3x3",
        output_stride: int = 32,
        skip_strides: int = 0,
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
        check_choice("depth", depth, (50, 101))
        check_choice("reduction", reduction, (None, 2, 4, 8, 16, 32))
        for stage in gated_stages:
            check_choice("gated_stages", stage, (2, 3, 4, 5))
        check_choice("squeeze", squeeze, ("avg", "max", "none"))
        check_choice("excitation", excitation, tuple(EXCITATIONS))
        check_choice("place", place, ("standard", "pre", "post", "identity", "conv3x3"))
        check_choice("stride_in", stride_in, ("1x1", "3x3"))
        stages = Stages(output_stride=output_stride, skip_strides=skip_strides)
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        gate = Gate(place, reduction, squeeze, excitation, bias) if reduction else None
        channels = make_divisible(64 * width)
        stages.add_stem(channels, 7, act=ReLU, norm=norm)
        stages.add(nn.MaxPool2d(3, stages.step(2).stride, padding=1))
        for row in ROWS:
            inner = make_divisible(row.width * width)
            for number in range(row.repeats[depth]):
                step = stages.step(row.stride if number == 0 else 1)
                stages.announce(f"c{row.stage}", 4 * inner)
                stages.add(
                    Bottleneck(
                        channels, inner, step=step, stride_in=stride_in,
                        gate=gate if row.stage in gated_stages else None, norm=norm,
                    )
                )  # fmt: skip
                channels = 4 * inner
        super().__init__(stages.modules, stages.features, stages.taps)
        initialise(self)
