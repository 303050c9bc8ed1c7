"""Feature pyramid with a decoder, "Semantic FPN" (Kirillov et al., Panoptic Feature Pyramid Networks, 2019, 3.2).

Its 3×3 convolutions are depthwise separable, as MobileNetV2 replaced them in SSD.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import Feature
from backbones.blocks import ConvNormAct, ReLU
from heads.base import Head, first_announced
from heads.lraspp import check_hidden


class LiteFPN(Head):
    """From the deepest map to the finest: resized, added to the next finer one, smoothed.

        c5 ── 1×1 ── gate ── smooth ── resize ─┐
        c4 ── 1×1 ──────────────────────────── + ── smooth ── resize ─┐
        c3 ── 1×1 ─────────────────────────────────────────────────── + ── smooth ── … ── 1×1 classes ── logits

        1×1: to hidden channels, BN, ReLU; smooth: depthwise 3×3, BN, 1×1 to the next finer level's channels, BN, ReLU
        gate: × the sigmoid of a 1×1 of the map's mean, for a view of the whole image, as in Lite R-ASPP

    The paper's top-down path adds without smoothing and merges all levels at the finest size, with plain 3×3
    convolutions; here one path does both. With a finest map at stride 4 thin objects keep their shape (at stride 2, c1,
    those of two pixels), and an output stride of 32 is enough, since the finer maps bring the detail.

    A map is enlarged by the ratio of the strides and then cut, not stretched to the finer map's size: where the image's
    sides are no multiples of 32 the last cells of a deep map lie partly outside, and stretching would shift all others.

    Args:
        features: of the backbone.
        num_classes: C, without void.
        hidden: channels of every level.
        finest: channels of the finest level, if they differ: a map of stride 2 is affordable with few.
        maps: names of the maps to read, from the finest to the deepest, each one name or a list whose first existing
            map is used.
        dropout: of whole channels before the classes.

    Raises:
        ValueError: if the backbone does not have the maps; for widths, maps or dropout out of range.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        num_classes: int,
        *,
        hidden: int = 64,
        finest: int | None = None,
        maps: Sequence[str | Sequence[str]] = (("c2", "c2_first"), "c3", "c4", ("c5_bottleneck", "c5")),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_hidden(hidden)
        if finest is not None and finest < 1:
            raise ValueError(f"head.finest={finest} is not 1 or more")
        if not 0 <= dropout < 1:
            raise ValueError(f"head.dropout={dropout} does not lie between 0 and 1")
        self.maps = tuple(first_announced(features, names) for names in maps)
        if len(self.maps) < 2 or len(set(self.maps)) < len(self.maps):
            raise ValueError(f"head.maps={[*self.maps]} must be two or more different maps, from the finest on")
        sizes = [features[name].reduction for name in self.maps]
        if sizes != sorted(sizes):
            raise ValueError(f"head.maps={[*self.maps]} have reductions {sizes}: list the finest first")
        widths = [hidden if finest is None else finest, *[hidden] * (len(sizes) - 1)]
        if any(deep % fine for fine, deep in pairwise(sizes)):
            raise ValueError(
                f"head.maps={[*self.maps]} have reductions {sizes}: each must be a multiple of the one before"
            )
        self.ratios = [deep // fine for fine, deep in pairwise(sizes)]
        self.levels = nn.ModuleList(
            ConvNormAct(features[name].channels, width, act=ReLU) for name, width in zip(self.maps, widths, strict=True)
        )
        self.gate = nn.Conv2d(widths[-1], widths[-1], 1)
        self.smooth = nn.ModuleList(separable(width, finer) for finer, width in pairwise([widths[0], *widths]))
        self.dropout = nn.Dropout2d(dropout)
        self.classify = nn.Conv2d(widths[0], num_classes, 1)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes, H / r, W / r) at the size of the finest map, of reduction r."""
        levels = [level(maps[name]) for level, name in zip(self.levels, self.maps, strict=True)]
        gate = torch.sigmoid(self.gate(F.adaptive_avg_pool2d(levels[-1], 1)))
        x = self.smooth[-1](levels[-1] * gate)  # at the size of the deepest map
        for level, smooth, ratio in zip(levels[-2::-1], [*self.smooth][-2::-1], self.ratios[::-1], strict=True):
            x = smooth(level + upsampled(x, ratio, level.shape[-2:]))
        logits: Tensor = self.classify(self.dropout(x))
        return logits


def upsampled(x: Tensor, ratio: int, size: Sequence[int]) -> Tensor:
    """x (N, C, h, w), bilinear, ratio times as large and cut to size (H, W).

    Stretched to size if it is smaller than that: networks that start with patches drop what does not fill one.
    """
    if ratio == 1:
        return x
    if any(length * ratio < whole for length, whole in zip(x.shape[-2:], size, strict=True)):
        return F.interpolate(x, size, mode="bilinear", align_corners=False)
    covering: Tensor = F.interpolate(x, scale_factor=float(ratio), mode="bilinear", align_corners=False)
    return covering[..., : size[0], : size[1]]


def separable(channels: int, out: int) -> nn.Sequential:
    """A depthwise separable 3×3 convolution: both parts with batch normalisation, the second with ReLU."""
    return nn.Sequential(
        ConvNormAct(channels, channels, 3, groups=channels, act=None), ConvNormAct(channels, out, act=ReLU)
    )
