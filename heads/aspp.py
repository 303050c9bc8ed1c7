"""DeepLabv3's head: atrous spatial pyramid pooling (Chen et al., 2017, section 3.3, figure 5)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from backbones.base import Feature
from backbones.blocks import ConvNormAct, ReLU
from heads.base import Head, first_announced
from heads.lraspp import check_hidden


class DeepLabV3(Head):
    """Looks at the deep map through windows of several sizes at once, without a decoder.

    torchvision's has another 3×3 convolution before the classes, rates 12, 24, 36, and dropout 0.5.

        high ─┬─ 1×1 ─────────────────────────── concat ── 1×1 hidden, BN, ReLU, dropout ── 1×1 classes ── logits
              ├─ 3×3, rate 6 ────────────────────┤
              ├─ 3×3, rate 12 ───────────────────┤         each branch: hidden channels, BN, ReLU
              ├─ 3×3, rate 18 ───────────────────┤
              └─ mean of the map, 1×1, repeated ─┘

    Args:
        features: of the backbone.
        num_classes: C, without void.
        hidden: channels of each branch, and after the concatenation.
        high: name of the map to read, or a list whose first existing map is used.
        rates: of the 3×3 convolutions on a map at stride 16; doubled at stride 8, as in the paper, halved at stride 32.
        dropout: before the classes; 0.1 as in DeepLab's code.

    Raises:
        ValueError: if the backbone does not have the map; for hidden, rates or dropout out of range.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        num_classes: int,
        *,
        hidden: int = 256,
        high: str | Sequence[str] = ("c5_bottleneck", "c5"),
        rates: Sequence[int] = (6, 12, 18),
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        check_hidden(hidden)
        if not all(isinstance(rate, int) and rate > 0 for rate in rates):
            raise ValueError(f"head.rates={list(rates)} must be whole numbers, 1 or more each")
        if not 0 <= dropout < 1:
            raise ValueError(f"head.dropout={dropout} does not lie between 0 and 1")
        self.high = first_announced(features, high)
        self.maps = (self.high,)
        channels, reduction = features[self.high][:2]
        self.point = ConvNormAct(channels, hidden, act=ReLU)
        self.atrous = nn.ModuleList(
            ConvNormAct(channels, hidden, 3, dilation=max(1, round(rate * 16 / reduction)), act=ReLU) for rate in rates
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.project_pooled = ConvNormAct(channels, hidden, act=ReLU)
        self.merge = ConvNormAct((2 + len(rates)) * hidden, hidden, act=ReLU)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Conv2d(hidden, num_classes, 1)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes, h, w), at the size of the high map."""
        high = maps[self.high]
        point = self.point(high)  # (N, hidden, h, w)
        pooled = self.project_pooled(self.pool(high))
        pooled = F.interpolate(pooled, point.shape[-2:], mode="bilinear", align_corners=False)  # as in torchvision
        x = torch.cat([point, *(atrous(high) for atrous in self.atrous), pooled], 1)
        logits: Tensor = self.classify(self.dropout(self.merge(x)))
        return logits
