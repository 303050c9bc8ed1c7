"""Image classification: pooling, the hidden layer where the network's paper has one, classes."""

from collections.abc import Mapping

from torch import Tensor, nn

from backbones.base import Feature
from backbones.blocks import HardSwish
from heads.base import Head


class ClassificationHead(Head):
    """Pooled features to class logits.

    Args:
        features: what the backbone announces; the head reads c5.
        num_classes: number of classes.
        hidden: width of a hard-swish layer behind the pooling (MobileNetV3's efficient last stage, section 5.1);
            0 for none. A backbone announces its paper's as `backbone.hidden`.
        dropout: before the last layer; 0.2 in both papers' code.
    """

    maps = ("c5",)

    def __init__(
        self, features: Mapping[str, Feature], num_classes: int, *, hidden: int = 0, dropout: float = 0.2
    ) -> None:
        super().__init__()
        channels = features["c5"].channels
        layers: list[nn.Module] = [nn.Linear(channels, hidden), HardSwish()] if hidden else []
        self.classify = nn.Sequential(*layers, nn.Dropout(dropout), nn.Linear(hidden or channels, num_classes))

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes)."""
        return self.classify(maps["c5"].mean((2, 3)))
