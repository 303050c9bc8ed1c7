"""Pictures of a scoring: what is kept while it runs, and what is drawn from it in the end."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from PIL import Image
from torch import Tensor


class Gallery:
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


class EvenlySpread(Gallery):
    """Some images, evenly spread over the data set, each drawn with its prediction and truth.

    Args:
        count, images: how many of how many.
        target: key of the truth in a batch.
        picture: draws one image (3, H, W) uint8 with prediction and truth.
    """

    def __init__(
        self, count: int, images: int, target: str, picture: Callable[[Tensor, Any, Any], Image.Image]
    ) -> None:
        super().__init__()
        count = min(count, images)
        self.wanted = {round((i + 0.5) * images / count - 0.5) for i in range(count)}
        self.target, self.picture = target, picture

    def add(self, batch: Mapping[str, Any], predictions: Any) -> None:
        for row, index in enumerate(batch["index"]):
            if index in self.wanted:
                drawn = self.picture(batch["image"][row], predictions[row], batch[self.target][row])
                self.kept.append((batch["name"][row], drawn))

    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        yield from kept
