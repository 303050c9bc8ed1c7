"""Interface of a head: built from a backbone's features, it declares which maps it reads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from backbones.base import Feature


class Head(nn.Module, ABC):
    """Maps named feature maps to raw outputs, of the same type in training and inference.

    Attributes:
        maps: names of the maps that forward reads; the backbone computes only these.

    Layers whose shape depends on the number of classes are named `classify…`: they are
    reinitialized when training continues from a checkpoint with other classes.
    """

    maps: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name in reports."""
        return type(self).__name__

    @abstractmethod
    def forward(self, maps: Mapping[str, Tensor]) -> Any:
        """Raw outputs: a tensor, or a named tuple of tensors, from maps (N, channels, H / reduction, W / reduction)."""


def first_announced(features: Mapping[str, Feature], names: str | Sequence[str]) -> str:
    """The first of these maps that the backbone has.

    Raises:
        ValueError: if it has none of them.
    """
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name in features:
            return name
    raise ValueError(f"the head reads {' or '.join(names)}; this backbone has {', '.join(features)}")
