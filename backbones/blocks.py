"""The building blocks of MobileNets."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

ReLU = partial(nn.ReLU, inplace=True)
ReLU6 = partial(nn.ReLU6, inplace=True)
HardSwish = partial(nn.Hardswish, inplace=True)
Swish = partial(nn.SiLU, inplace=True)
Activation = Callable[[], nn.Module]


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Round to a multiple of divisor, but never down by more than a tenth (MobileNetV2's reference code)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded if rounded >= 0.9 * channels else rounded + divisor


class ConvNormAct(nn.Sequential):
    """Convolution without bias, batch normalisation, activation; padded so that only the stride changes the size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        *,
        stride: int = 1,
        dilation: int = 1,
        groups: int = 1,
        act: Activation | None,
        norm: partial[nn.BatchNorm2d] = partial(nn.BatchNorm2d),  # noqa: B008
    ) -> None:
        padding = (kernel - 1) // 2 * dilation
        conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=False)
        super().__init__(conv, norm(out_channels), *([act()] if act else []))


class SqueezeExcite(nn.Module):
    """Scales each channel by a gate computed from all channels' means (MobileNetV3, section 5.3).

    The two 1×1 convolutions have biases; ReLU between them, `gate` after: hard-sigmoid in MobileNetV3, sigmoid before.
    """

    def __init__(self, channels: int, hidden: int, gate: Activation = nn.Hardsigmoid) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.reduce = nn.Conv2d(channels, hidden, 1)
        self.expand = nn.Conv2d(hidden, channels, 1)
        self.act = nn.ReLU()
        self.gate = gate()

    def forward(self, x: Tensor) -> Tensor:
        gate: Tensor = self.gate(self.expand(self.act(self.reduce(self.pool(x)))))
        return gate * x


class TappedBlock(nn.Module):
    """Layers that run in registration order; heads may read the results of some of them.

    Attributes:
        places: name of each such result, by layer name; that of the last layer is "out".
        residual: whether the block's input is added to the last layer's result.
    """

    places: ClassVar[Mapping[str, str]]
    residual: bool = False

    def forward(self, x: Tensor) -> Tensor:
        return self.run_until(x, ("out",))["out"]

    def run_until(self, x: Tensor, places: Collection[str]) -> dict[str, Tensor]:
        """Run the layers up to the last of these places; returns the maps at all places passed."""
        maps: dict[str, Tensor] = {}
        result = x
        for name, layer in self.named_children():
            result = layer(result)
            if name in self.places:
                place = self.places[name]
                maps[place] = x + result if place == "out" and self.residual else result
                if all(wanted in maps for wanted in places):
                    break
        return maps

    def drop_after(self, places: Collection[str]) -> None:
        """Delete the layers that come after the last of these places."""
        names = [name for name, _ in self.named_children()]
        last = max(number for number, name in enumerate(names) if self.places.get(name) in places)
        for name in names[last + 1 :]:
            delattr(self, name)


class InvertedResidual(TappedBlock):
    """Narrow input, wide inside, narrow output (MobileNetV2, section 3.3; with squeeze-excite: MobileNetV3, figure 4).

        x ── 1×1 expand ──> depthwise ──> (squeeze-excite) ──> 1×1 project ── + x, if shapes allow
             "expanded"     "depthwise"                        "out"

    Args:
        expanded: channels inside; the expansion is omitted if it equals in_channels.
        stride, dilation: of the depthwise convolution.
        excite_hidden: width inside the squeeze-and-excite; 0 omits it.
        gate: of the squeeze-and-excite.
        project_act: after the projection; None, a linear bottleneck, in every paper (MobileNetV2, section 3.2).
    """

    places: ClassVar[Mapping[str, str]] = {"expand": "expanded", "depthwise": "depthwise", "project": "out"}

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out_channels: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        dilation: int = 1,
        excite_hidden: int = 0,
        act: Activation,
        gate: Activation = nn.Hardsigmoid,
        project_act: Activation | None = None,
        norm: partial[nn.BatchNorm2d],
        residual: bool,
    ) -> None:
        super().__init__()
        wide = expanded != in_channels
        self.expand = ConvNormAct(in_channels, expanded, act=act, norm=norm) if wide else nn.Identity()
        self.depthwise = ConvNormAct(
            expanded, expanded, kernel, stride=stride, dilation=dilation, groups=expanded, act=act, norm=norm
        )
        self.excite = SqueezeExcite(expanded, excite_hidden, gate) if excite_hidden else nn.Identity()
        self.project = ConvNormAct(expanded, out_channels, act=project_act, norm=norm)
        self.residual = residual
