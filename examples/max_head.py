"""A custom head: each class's logit is its maximum over the map."""

from collections.abc import Mapping

from torch import Tensor, nn

from backbones.base import Feature
from heads.base import Head


class MaxHead(Head):
    """A 1×1 convolution and the maximum over the map.

    Args:
        features: of the backbone.
        num_classes: number of classes.
        map: name of the map to read.
    """

    def __init__(self, features: Mapping[str, Feature], num_classes: int, *, map: str) -> None:
        super().__init__()
        self.maps = (map,)
        self.classify = nn.Conv2d(features[map].channels, num_classes, 1)

    def forward(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Logits (N, classes)."""
        return self.classify(maps[self.maps[0]]).amax((2, 3))
