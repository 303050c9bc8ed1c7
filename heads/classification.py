"""Image classification: pooling, the paper's hidden layer if it has one, classes."""

from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from backbones.base import Feature
from backbones.blocks import HardSwish
from heads.base import Head


class ClassificationHead(Head):
    """Pooled features to class logits.

        c5 ── mean over H and W ── (hidden layer) ── dropout ── linear

    Args:
        features: of the backbone; the head reads c5.
        num_classes: number of classes.
        hidden: "paper" for the layer that the backbone defines for c5 (MobileNetV3's efficient last stage, section
            5.1), a width for a hard-swish layer, 0 for none.
        dropout: before the last layer; 0.2 in MobileNetV2's and V3's code.

    Raises:
        ValueError: for any other string, or a negative width.
    """

    maps = ("c5",)

    def __init__(
        self,
        features: Mapping[str, Feature],
        num_classes: int,
        *,
        hidden: int | Literal["paper"] = "paper",
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        channels, _, papers = features["c5"]
        if hidden != "paper" and not (isinstance(hidden, int) and hidden >= 0):
            raise ValueError(f"hidden={hidden!r} is neither a width nor paper")
        layers: list[nn.Module] = []
        if hidden == "paper" and papers is not None and papers.norm:
            layers = [nn.Linear(channels, papers.channels, bias=False), nn.BatchNorm1d(papers.channels), papers.act()]
        elif hidden == "paper" and papers is not None:
            layers = [nn.Linear(channels, papers.channels), papers.act()]
        elif isinstance(hidden, int) and hidden:
            layers = [nn.Linear(channels, hidden), HardSwish()]
        width = next((layer.out_features for layer in layers if isinstance(layer, nn.Linear)), channels)
        self.hidden = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.classify = nn.Linear(width, num_classes)
        for layer in (*self.hidden, self.classify):
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.01)  # as torchvision initialises its MobileNets
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes)."""
        logits: Tensor = self.classify(self.dropout(self.hidden(maps["c5"].mean((2, 3)))))
        return logits
