"""Pictures of a scoring: what is kept while it runs, and what is drawn from it in the end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image
from torch import Tensor


class Gallery(ABC):
    """Sees every batch with its predictions and keeps what it wants to show.

    Attributes:
        kept: what this process has kept; it must be picklable, since the first process draws for all.
    """

    def __init__(self) -> None:
        self.kept: list[Any] = []

    @abstractmethod
    def add(self, batch: Mapping[str, Any], predictions: Any) -> None:
        """Look at a scored batch."""

    @abstractmethod
    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        """Pictures by name, from what all processes have kept."""


def evenly_spread(images: Sequence[int], count: int) -> set[int]:
    """So many of the images, or all where they are fewer."""
    count = min(count, len(images))
    return {images[round((i + 0.5) * len(images) / count - 0.5)] for i in range(count)}


class EvenlySpread(Gallery):
    """Some images, evenly spread over the data set, each drawn with its prediction and truth.

    Args:
        count: how many.
        images: numbers in the data set of those scored.
        target: key of the truth in a batch.
        picture: draws one image (3, H, W) uint8 with prediction and truth.
    """

    def __init__(
        self, count: int, images: Sequence[int], target: str, picture: Callable[[Tensor, Any, Any], Image.Image]
    ) -> None:
        super().__init__()
        self.wanted = evenly_spread(images, count)
        self.target, self.picture = target, picture

    def add(self, batch: Mapping[str, Any], predictions: Any) -> None:
        for row, index in enumerate(batch["index"]):
            if index in self.wanted:
                drawn = self.picture(batch["image"][row], predictions[row], batch[self.target][row])
                self.kept.append((batch["name"][row], drawn))

    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        yield from kept
