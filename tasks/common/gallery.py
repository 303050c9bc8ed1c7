"""Pictures of an evaluation: what is collected while it runs, and what is drawn at the end."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from tasks.common.records import Record


class Gallery(ABC):
    """Receives every batch with its predictions and keeps what it will show.

    Attributes:
        kept: what this process has kept; must be picklable, because the first process draws for all.
    """

    def __init__(self) -> None:
        self.kept: list[Any] = []

    @abstractmethod
    def add(self, batch: Mapping[str, Any], predictions: Any) -> None:
        """Receive a scored batch."""

    @abstractmethod
    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        """Yield pictures with their names, from what all processes have kept."""

    def record(self, _kept: Sequence[Any]) -> Record | None:
        """The images as data for the run's page, from what all processes have kept; None if there are none."""
        return None


def evenly_spread(images: Sequence[int], count: int) -> set[int]:
    """Select `count` of the images, or all if there are fewer."""
    count = min(count, len(images))
    return {images[round((i + 0.5) * len(images) / count - 0.5)] for i in range(count)}


class EvenlySpread(Gallery):
    """Some images, evenly spread over the data set, each drawn with its prediction and ground truth.

    Args:
        count: how many.
        images: data-set indices of the scored images.
        target: key of the ground truth in a batch.
        picture: draws one image (3, H, W) uint8 with prediction and ground truth.
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
