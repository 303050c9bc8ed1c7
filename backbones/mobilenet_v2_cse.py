"""MobileNetV2 with channel-wise squeeze-and-excite.

Further Optimize MobileNetV2 with Channel-wise Squeeze and Excitation (Park, KIBME 2021), table 1. Text, table and the
author's later code contradict each other; the defaults are what gives the published sizes, the options the rest.
"""

from functools import partial
from typing import Literal, NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import Backbone
from backbones.blocks import Activation, ConvNormAct, ReLU6
from backbones.inverted import initialise
from backbones.stages import Stages, check_choice

Bound = Literal["upper", "lower"]
Stride = Literal["after_gate", "before_gate", "depthwise"]
Shortcut = Literal["always", "stride_1", "same_shape"]


class Layout(NamedTuple):
    """Strides of the stem and the seven rows as five steps of 2, and how many of the first of them are left out."""

    strides: tuple[int, ...]
    skip_strides: int


LAYOUTS = {
    "cifar": Layout((2, 1, 2, 1, 2, 2, 1, 2), 2),  # table 1, for 32×32 images
    "imagenette": Layout((2, 1, 2, 2, 2, 2, 1, 1), 1),  # for 224×224; not in the text, gives the published size
}
INVERTED = ((1, 16), (6, 24), (6, 32))  # rows 1 to 3 of table 1: factor, out
REPEATS = {"code": (1, 2, 3), "table1": (1, 1, 2)}  # of the above; only the code's give the published sizes
SPATIAL = ((64, 4), (96, 3), (160, 3), (320, 1))  # rows 4 to 7: out, repeat
ACTS: dict[str, Activation] = {"prelu": nn.PReLU, "relu6": ReLU6}


class SpatialGate(nn.Module):
    """Scale each place of a map by a gate computed from all places' means over the channels.

        x ─┬─ mean over C ── H·W ── hidden ── ReLU ── H·W ── sigmoid ── × ──> (N, C, H, W)
           └────────────────────────────────────────────────────────────┘

    A map of another size than (size, size) is averaged to that size before, and the gate is resized after.

    Args:
        size: height and width of the maps it is trained on; the fully connected layers' shapes follow from it.
        cap, cap_bound: hidden is size²/16, at most cap ("upper") or at least ("lower").
    """

    def __init__(self, size: int, cap: int, cap_bound: Bound) -> None:
        super().__init__()
        places = size * size
        hidden = max(1, (min if cap_bound == "upper" else max)(cap, places // 16))
        self.size = (size, size)
        self.reduce = nn.Linear(places, hidden, bias=False)
        self.expand = nn.Linear(hidden, places, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean(1, keepdim=True)  # (N, 1, H, W)
        fits = means.shape[-2:] == self.size
        if not fits:
            means = F.adaptive_avg_pool2d(means, self.size)
        gate = self.expand(F.relu(self.reduce(means.flatten(1)))).sigmoid()  # (N, size²)
        gate = gate.unflatten(1, (1, *self.size))
        if not fits:
            gate = F.interpolate(gate, x.shape[-2:], mode="bilinear", align_corners=False)
        return x * gate


def shortcut_of(
    rule: Shortcut, in_channels: int, out_channels: int, stride: int, norm: partial[nn.BatchNorm2d]
) -> nn.Module | None:
    """What leads a block's input around it: nothing, itself, or a 1×1 convolution where the shape changes."""
    same = stride == 1 and in_channels == out_channels
    if (rule == "same_shape" and not same) or (rule == "stride_1" and stride > 1):
        return None
    return nn.Identity() if same else ConvNormAct(in_channels, out_channels, stride=stride, act=None, norm=norm)


class ShortcutInvertedResidual(nn.Module):
    """MobileNetV2's block, always with its expansion, and with a shortcut wherever its stride is 1.

    x ─┬─ 1×1 expand ── 3×3 depthwise ── 1×1 project ── + ──>
       └────────────────── shortcut ────────────────────┘
    """

    def __init__(
        self,
        in_channels: int,
        expanded: int,
        out: int,
        *,
        stride: int,
        shortcut: Shortcut,
        norm: partial[nn.BatchNorm2d],
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            ConvNormAct(in_channels, expanded, act=ReLU6, norm=norm),
            ConvNormAct(expanded, expanded, 3, stride=stride, groups=expanded, act=ReLU6, norm=norm),
            ConvNormAct(expanded, out, act=None, norm=norm),
        )
        rule: Shortcut = "stride_1" if shortcut == "always" else shortcut  # "always" is said of the gated blocks only
        self.shortcut = shortcut_of(rule, in_channels, out, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        return self.convs(x) if self.shortcut is None else self.convs(x) + self.shortcut(x)


class GatedResidual(nn.Module):
    """The paper's CSE bottleneck: no expansion, no projection, a gate over places.

        x ─┬─ 1×1 ── 3×3 depthwise ── gate ── + ── 2×2 depthwise of stride 2 ──>      stride "after_gate"
        x ─┬─ 1×1 ── 3×3 depthwise ────────── + ── 2×2 depthwise of stride 2 ── gate ──>        "before_gate"
        x ─┬─ 1×1 ── 3×3 depthwise of stride 2 ── gate ── + ──>                                 "depthwise"
           └─────────────── shortcut ─────────────────────┘

    Args:
        size: height and width of the map that comes in.
        stride: 1 or 2; blocks of stride 1 are as above without the 2×2 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out: int,
        size: int,
        *,
        stride: int,
        stride_place: Stride,
        cap: int,
        cap_bound: Bound,
        shortcut: Shortcut,
        act: Activation,
        norm: partial[nn.BatchNorm2d],
    ) -> None:
        super().__init__()
        inner = stride if stride_place == "depthwise" else 1
        self.convs = nn.Sequential(
            ConvNormAct(in_channels, out, act=act, norm=norm),
            ConvNormAct(out, out, 3, stride=inner, groups=out, act=act, norm=norm),
        )
        self.gate_last = stride_place == "before_gate"
        self.gate = SpatialGate(size if stride_place == "after_gate" else size // stride, cap, cap_bound)
        skips = shortcut == "stride_1" and stride > 1
        self.shortcut = None if skips else shortcut_of(shortcut, in_channels, out, inner, norm)
        halves = stride > inner
        self.halve = nn.Conv2d(out, out, 2, stride=2, groups=out, bias=False) if halves else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = self.convs(x)
        if not self.gate_last:
            out = self.gate(out)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        out = self.halve(out)
        return self.gate(out) if self.gate_last else out


class MobileNetV2CSE(Backbone):
    """MobileNetV2 + CSE for (N, 3, resolution, resolution) images; c5 is a grouped 1×1 convolution to 1280 channels.

    The gates' layers see the map as one vector, which ties the network to the size it was built for. There are five
    strides of 2 to a layout, the first of which are left out (skip_strides, see Stages), so that c5 has reduction 8
    in the layout "cifar" (c1 and c2: 1, c3: 2, c4: 4) and 16 in "imagenette" (c1: 1).

    Published sizes come from the defaults (cap 8), and within 0.01 % from cap=16 with stride "before_gate", the
    text's cap; the published size for Imagenette only from the former.

    Args:
        layout: "cifar" or "imagenette": where the strides are.
        resolution: height and width of the images, a multiple of c5's reduction.
        adapt: take images of any size, see SpatialGate.
        cap, cap_bound: of the width inside the gates, see SpatialGate.
        stride: where a gated block of stride 2 has its stride, see GatedResidual.
        repeats: blocks in the first three rows: 1, 2, 3 in the author's code, 1, 1, 2 in table 1.
        shortcut: "always" (a 1×1 convolution where channels differ; an inverted residual of stride 2 still has none),
            "stride_1": not around a stride of 2, "same_shape": without any convolution, as in MobileNetV2.
        act: of the gated blocks, "prelu" (one slope for all channels) or "relu6".
        norm_eps: 1e-5, PyTorch's.
        norm_momentum: in PyTorch's sense: the weight of the new batch.

    Raises:
        ValueError: for an unknown choice; in forward, for images of another size unless it adapts.
    """

    def __init__(
        self,
        *,
        layout: Literal["cifar", "imagenette"] = "cifar",
        resolution: int = 32,
        adapt: bool = False,
        cap: int = 8,
        cap_bound: Bound = "upper",
        stride: Stride = "after_gate",
        repeats: Literal["code", "table1"] = "code",
        shortcut: Shortcut = "always",
        act: Literal["prelu", "relu6"] = "prelu",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
        check_choice("layout", layout, tuple(LAYOUTS))
        check_choice("cap_bound", cap_bound, ("upper", "lower"))
        check_choice("stride", stride, ("after_gate", "before_gate", "depthwise"))
        check_choice("repeats", repeats, tuple(REPEATS))
        check_choice("shortcut", shortcut, ("always", "stride_1", "same_shape"))
        check_choice("act", act, tuple(ACTS))
        (stem, *strides), skip_strides = LAYOUTS[layout]
        reduction = 2 ** (5 - skip_strides)
        if resolution < reduction or resolution % reduction:
            raise ValueError(f"resolution={resolution} is not a multiple of {reduction}, layout {layout!r}'s reduction")
        if cap < 1:
            raise ValueError(f"cap={cap} leaves the gates no width; it must be 1 or more")
        stages = Stages(skip_strides=skip_strides)
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        first = stages.step(stem).stride
        stages.announce("c1", 32)
        stages.add(ConvNormAct(3, 32, 3, stride=first, act=ReLU6, norm=norm))
        channels = 32
        for (factor, out), repeat, row_stride in zip(INVERTED, REPEATS[repeats], strides[:3], strict=True):
            for number in range(repeat):
                step = stages.step(row_stride if number == 0 else 1)
                stages.announce(f"c{stages.level}", out)
                stages.add(
                    ShortcutInvertedResidual(
                        channels, factor * channels, out, stride=step.stride, shortcut=shortcut, norm=norm
                    )
                )
                channels = out
        for (out, repeat), row_stride in zip(SPATIAL, strides[3:], strict=True):
            for number in range(repeat):
                size = resolution // stages.reduction
                step = stages.step(row_stride if number == 0 else 1)
                stages.announce(f"c{stages.level}", out)
                stages.add(
                    GatedResidual(
                        channels, out, size, stride=step.stride, stride_place=stride, cap=cap, cap_bound=cap_bound,
                        shortcut=shortcut, act=ACTS[act], norm=norm,
                    )
                )  # fmt: skip
                channels = out
        stages.announce("c5", 1280)
        stages.add(ConvNormAct(320, 1280, groups=320, act=ReLU6, norm=norm))
        super().__init__(stages.modules, stages.features, stages.taps)
        self.resolution, self.adapt = resolution, adapt
        initialise(self)
        for module in self.modules():
            if isinstance(module, GatedResidual) and isinstance(module.halve, nn.Conv2d):
                nn.init.kaiming_normal_(module.halve.weight, nonlinearity="linear")  # no normalisation behind it

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, see Backbone."""
        height, width = images.shape[-2:]
        if not self.adapt and (height, width) != (self.resolution, self.resolution):
            raise ValueError(
                f"images are {height}×{width}, the network was built for {self.resolution}×{self.resolution}; "
                "set resolution, or adapt=true"
            )
        return super().forward(images)
