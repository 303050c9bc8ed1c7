"""SE-ResNet-50, and ResNet-50 as its special case without gates.

Deep Residual Learning (He et al., CVPR 2016), table 1; Squeeze-and-Excitation Networks (Hu et al., TPAMI 2019), with
the choices of its ablations (tables 10 to 14).
"""

from collections.abc import Sequence
from functools import partial
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import Backbone
from backbones.blocks import ConvNormAct, ReLU
from backbones.inverted import initialise
from backbones.stages import Stages, Step, check_choice

Squeeze = Literal["avg", "max", "none"]
Excitation = Literal["sigmoid", "tanh", "relu"]
Place = Literal["standard", "pre", "post", "identity", "conv3x3"]
StrideIn = Literal["1x1", "3x3"]

EXCITATIONS: dict[str, type[nn.Module]] = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}  # table 12


class Row(NamedTuple):
    """One stage of ResNet-50: `repeat` bottlenecks of this inner width, the first with the stride."""

    stage: int
    width: int
    repeat: int
    stride: int


# fmt: off
ROWS = (  # He et al., table 1
    #  conv width n  s
    Row(2,  64,  3, 1),
    Row(3, 128,  4, 2),
    Row(4, 256,  6, 2),
    Row(5, 512,  3, 2),
)
# fmt: on


class Gate(NamedTuple):
    """Position and kind of the gates in the blocks of one stage; see SEResNet50."""

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
        self.reduce = nn.Conv2d(channels, channels // gate.reduction, 1, bias=gate.bias)
        self.expand = nn.Conv2d(channels // gate.reduction, channels, 1, bias=gate.bias)
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
            if in_channels == out_channels
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


class SEResNet50(Backbone):
    """SE-ResNet-50 for (N, 3, H, W) images: c1 is the stem's convolution, c2…c5 the stages with 256 to 2048 channels.

    If output_stride turns stride into dilation, the block that lost its stride keeps the previous rate and the later
    ones dilate: the rule of both DeepLab and torchvision's `replace_stride_with_dilation`.

    Args:
        reduction: factor by which the gates narrow, 2 to 32 (table 10); None omits them: ResNet-50.
        gated_stages: those of 2, 3, 4, 5 whose blocks have a gate (table 13).
        squeeze: "avg" or "max" over the map (table 11), or "none" (section 7.1).
        excitation: the gate's last activation (table 12).
        place: of the gate in the block (table 14), see Bottleneck.
        bias: of the gates' two layers. The ablations have none (section 6).
        stride_in: the convolution that has a block's stride: the first 1×1, as in both papers, or the 3×3, as
            torchvision's weights require.
        output_stride, skip_strides: see Stages.
        norm_eps: 1e-5 as in torchvision's weights.
        norm_momentum: as in PyTorch: the weight of the new batch.

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        reduction: int | None = 16,
        gated_stages: Sequence[int] = (2, 3, 4, 5),
        squeeze: Squeeze = "avg",
        excitation: Excitation = "sigmoid",
        place: Place = "standard",
        bias: bool = False,
        stride_in: StrideIn = "1x1",
        output_stride: int = 32,
        skip_strides: int = 0,
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
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
        stages.add_stem(64, 7, act=ReLU, norm=norm)
        stages.add(nn.MaxPool2d(3, stages.step(2).stride, padding=1))
        channels = 64
        for row in ROWS:
            for repeat in range(row.repeat):
                step = stages.step(row.stride if repeat == 0 else 1)
                stages.announce(f"c{row.stage}", 4 * row.width)
                stages.add(
                    Bottleneck(
                        channels, row.width, step=step, stride_in=stride_in,
                        gate=gate if row.stage in gated_stages else None, norm=norm,
                    )
                )  # fmt: skip
                channels = 4 * row.width
        super().__init__(stages.modules, stages.features, stages.taps)
        initialise(self)
