"""The blocks of MobileNetV4 (Qin et al., ECCV 2024), section 3."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from backbones.blocks import Activation, ConvNormAct, ReLU, TappedBlock


class FusedBottleneck(nn.Module):
    """A dense 3×3 convolution instead of expansion and depthwise convolution: cheaper with few channels.

    Args:
        project_act: after the projection; None: a linear bottleneck.
    """

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        *,
        stride: int,
        dilation: int,
        project_act: Activation | None,
        norm: partial[nn.BatchNorm2d],
    ) -> None:
        super().__init__()
        self.expand = ConvNormAct(in_channels, expanded, 3, stride=stride, dilation=dilation, act=ReLU, norm=norm)
        self.project = ConvNormAct(expanded, out_channels, act=project_act, norm=norm)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.project(self.expand(x))
        return out


class UniversalBottleneck(TappedBlock):
    """The universal inverted bottleneck (section 3.1, figure 4).

        x ── (start depthwise) ── 1×1 expand ──> (middle depthwise) ──> 1×1 project ── + x, if shapes allow
                                  "expanded"     "depthwise"            "out"

    With only the middle one it is MobileNetV2's block, with only the start one ConvNeXt's, with both "extra
    depthwise", with none a transformer's feed-forward layers. The start one has no activation.

    Args:
        expanded: channels inside.
        start, middle: kernels of the depthwise convolutions; 0 omits one.
        stride, dilation: of the middle one.
        start_dilation: of the start one, which is applied before the stride.

    Raises:
        ValueError: for a stride without a middle depthwise convolution.
    """

    places: ClassVar[Mapping[str, str]] = {"expand": "expanded", "depthwise": "depthwise", "project": "out"}

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        *,
        start: int,
        middle: int,
        stride: int,
        start_dilation: int,
        dilation: int,
        norm: partial[nn.BatchNorm2d],
        residual: bool,
    ) -> None:
        super().__init__()
        if stride > 1 and not middle:
            raise ValueError(f"stride={stride} needs a middle depthwise convolution")
        self.start: nn.Module = nn.Identity()
        if start:
            self.start = ConvNormAct(
                in_channels, in_channels, start, dilation=start_dilation, groups=in_channels, act=None, norm=norm
            )
        self.expand = ConvNormAct(in_channels, expanded, act=ReLU, norm=norm)
        self.depthwise: nn.Module = nn.Identity()
        if middle:
            self.depthwise = ConvNormAct(
                expanded, expanded, middle, stride=stride, dilation=dilation, groups=expanded, act=ReLU, norm=norm
            )
        self.project = ConvNormAct(expanded, out_channels, act=None, norm=norm)
        self.residual = residual
