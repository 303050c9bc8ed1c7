"""What a head promises: built from announced maps, it says which of them it reads."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from backbones.base import Feature


class Head(nn.Module, ABC):
    """Named maps in, raw outputs of one type out, in training and in inference alike.

    Attributes:
        maps: names of the maps that forward reads; a backbone computes no others.

    Layers whose shape depends on the number of classes are called `classify…`: they are
    reinitialized when a checkpoint is trained on for other classes.
    """

    maps: tuple[str, ...]

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
