"""The blocks of MobileNetV2 + CSE: gates over the positions of a map (Park, KIBME 2021)."""

from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.blocks import Activation, ConvNormAct, ReLU6

Bound = Literal["upper", "lower"]
Stride = Literal["after_gate", "before_gate", "depthwise"]
Shortcut = Literal["always", "stride_1", "same_shape"]


class SpatialGate(nn.Module):
    """Scales each position of a map by a gate computed from all positions' means over the channels.

        x ─┬─ mean over C ── H·W ── hidden ── ReLU ── H·W ── sigmoid ── × ──> (N, C, H, W)
           └────────────────────────────────────────────────────────────┘

    A map of another size than (size, size) is first averaged to that size, and the gate is resized afterwards.

    Args:
        size: height and width of the training maps; determines the shapes of the fully connected layers.
        cap, cap_bound: hidden is size²/16, at most cap ("upper") or at least cap ("lower").
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
        gate = torch.sigmoid(self.expand(F.relu(self.reduce(means.flatten(1)))))  # (N, size²)
        gate = torch.unflatten(gate, 1, (1, *self.size))
        if not fits:
            gate = F.interpolate(gate, x.shape[-2:], mode="bilinear", align_corners=False)
        return x * gate


def shortcut_of(
    rule: Shortcut, in_channels: int, out_channels: int, stride: int, norm: partial[nn.BatchNorm2d]
) -> nn.Module | None:
    """The path around a block: None, the identity, or a 1×1 convolution if the shape changes."""
    same = stride == 1 and in_channels == out_channels
    if (rule == "same_shape" and not same) or (rule == "stride_1" and stride > 1):
        return None
    return nn.Identity() if same else ConvNormAct(in_channels, out_channels, stride=stride, act=None, norm=norm)


class ShortcutInvertedResidual(nn.Module):
    """MobileNetV2's block, always with its expansion, and with a shortcut whenever its stride is 1.

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
        rule: Shortcut = "stride_1" if shortcut == "always" else shortcut  # "always" applies only to the gated blocks
        self.shortcut = shortcut_of(rule, in_channels, out, stride, norm)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.convs(x)
        return out if self.shortcut is None else out + self.shortcut(x)


class GatedResidual(nn.Module):
    """The paper's CSE bottleneck: no expansion, no projection, a gate over positions.

        x ─┬─ 1×1 ── 3×3 depthwise ── gate ── + ── 2×2 depthwise of stride 2 ──>      stride "after_gate"
        x ─┬─ 1×1 ── 3×3 depthwise ────────── + ── 2×2 depthwise of stride 2 ── gate ──>        "before_gate"
        x ─┬─ 1×1 ── 3×3 depthwise of stride 2 ── gate ── + ──>                                 "depthwise"
           └─────────────── shortcut ─────────────────────┘

    Args:
        size: height and width of the input map.
        stride: 1 or 2; with stride 1 as above but without the 2×2 convolution.
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
        out: Tensor = self.convs(x)
        if not self.gate_last:
            out = self.gate(out)
        if self.shortcut is not None:
            out = out + self.shortcut(x)
        out = self.halve(out)
        return self.gate(out) if self.gate_last else out
