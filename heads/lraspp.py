"""Lite R-ASPP (MobileNetV3, section 6.4, figure 10) and R-ASPP (MobileNetV2, section 6.3)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import Feature
from backbones.blocks import ConvNormAct, ReLU
from heads.base import Head, first_announced


class LargePool(nn.Module):
    """Average over a large window with a large stride; over the whole map if the window is larger.

    Args:
        kernel, stride: in cells of a map at stride 16, as in the paper (49×49, 16×20); None averages the whole map.
        reduction: of the input map; window and stride keep their size in image pixels.
    """

    def __init__(self, kernel: int | None, stride: Sequence[int], reduction: int) -> None:
        super().__init__()
        scale = 16 / reduction
        self.kernel = round(kernel * scale) if kernel else None
        self.stride = [max(1, round(step * scale)) for step in stride]

    def forward(self, x: Tensor) -> Tensor:
        if self.kernel is None:
            return F.adaptive_avg_pool2d(x, 1)
        height, width = x.shape[-2:]
        return F.avg_pool2d(x, [min(self.kernel, height), min(self.kernel, width)], self.stride)


def check_hidden(hidden: object) -> None:
    """Raises a ValueError for an invalid width."""
    if not isinstance(hidden, int) or isinstance(hidden, bool) or hidden < 1:
        raise ValueError(f"head.hidden={hidden} is not a whole number, 1 or more")


class LRASPP(Head):
    """Lite R-ASPP: wide-context attention on the deep map, and detail from a shallow one.

        high ─┬─ 1×1 hidden, BN, ReLU ─────────────── × ── resize ── 1×1 classes ── + ── logits
              └─ large pool, 1×1 hidden, sigmoid ─────┘                             │
        low ────────────────────────────────────────────────────────── 1×1 classes ─┘

    Args:
        features: of the backbone.
        num_classes: C, without void.
        hidden: channels of the deep branch; 128 or 256 in the paper.
        low, high: names of the maps to read, each one name or a list whose first existing map is used.
        pool_kernel, pool_stride: see LargePool; torchvision averages the whole map (None).
        gate_bias: torchvision's 1×1 after the pooling has no bias.
        detail: a map finer than `low` (c2_expanded) whose own 1×1 classifier is added to the resized logits. Not in
            the paper: for thin objects in small pictures, at nearly no cost.

    Raises:
        ValueError: if the backbone does not have the maps.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        num_classes: int,
        *,
        hidden: int = 128,
        low: str | Sequence[str] = "c3_depthwise",
        high: str | Sequence[str] = ("c5_bottleneck", "c5"),
        pool_kernel: int | None = 49,
        pool_stride: Sequence[int] = (16, 20),
        gate_bias: bool = True,
        detail: str | None = None,
    ) -> None:
        super().__init__()
        check_hidden(hidden)
        self.low, self.high = first_announced(features, low), first_announced(features, high)
        self.detail = first_announced(features, detail) if detail else None
        self.maps = (self.low, self.high, *([self.detail] if self.detail else []))
        deep = features[self.high]
        self.project = ConvNormAct(deep.channels, hidden, act=ReLU)
        self.pool = LargePool(pool_kernel, pool_stride, deep.reduction)
        self.gate = nn.Conv2d(deep.channels, hidden, 1, bias=gate_bias)
        self.classify_low = nn.Conv2d(features[self.low].channels, num_classes, 1)
        self.classify_high = nn.Conv2d(hidden, num_classes, 1)
        if self.detail:
            self.classify_detail = nn.Conv2d(features[self.detail].channels, num_classes, 1)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes, H/8, W/8), at the size of the low map, or of the detail map if given."""
        low, high = maps[self.low], maps[self.high]
        x = self.project(high)  # (N, hidden, H/16, W/16)
        gate = torch.sigmoid(self.gate(self.pool(high)))
        if gate.shape[-2:] != (1, 1):
            gate = F.interpolate(gate, x.shape[-2:], mode="bilinear", align_corners=False)
        x = F.interpolate(x * gate, low.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.classify_low(low) + self.classify_high(x)  # (N, classes, H/8, W/8)
        if self.detail is None:
            return logits
        detail = maps[self.detail]
        logits = F.interpolate(logits, detail.shape[-2:], mode="bilinear", align_corners=False)
        fine: Tensor = self.classify_detail(detail)  # (N, classes, H/4, W/4)
        return logits + fine


class RASPP(Head):
    """R-ASPP: the deep map concatenated with its pooled version, without a decoder.

        high ─┬─ 1×1 hidden, BN, ReLU ────────────────────── concat ── 1×1 hidden, BN, ReLU ── 1×1 classes
              └─ large pool, 1×1 hidden, BN, ReLU, resize ───┘

    Args: as LRASPP, without the low map; hidden is 256 in both papers.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        num_classes: int,
        *,
        hidden: int = 256,
        high: str | Sequence[str] = ("c5_bottleneck", "c5"),
        pool_kernel: int | None = None,
        pool_stride: Sequence[int] = (16, 20),
    ) -> None:
        super().__init__()
        check_hidden(hidden)
        self.high = first_announced(features, high)
        self.maps = (self.high,)
        deep = features[self.high]
        self.project = ConvNormAct(deep.channels, hidden, act=ReLU)
        self.pool = LargePool(pool_kernel, pool_stride, deep.reduction)
        self.project_pooled = ConvNormAct(deep.channels, hidden, act=ReLU)
        self.merge = ConvNormAct(2 * hidden, hidden, act=ReLU)
        self.classify = nn.Conv2d(hidden, num_classes, 1)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes, h, w), at the size of the high map."""
        high = maps[self.high]
        x = self.project(high)  # (N, hidden, H/16, W/16)
        pooled = self.project_pooled(self.pool(high))
        pooled = F.interpolate(pooled, x.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.classify(self.merge(torch.cat([x, pooled], 1)))  # (N, classes, H/16, W/16)
        return logits
