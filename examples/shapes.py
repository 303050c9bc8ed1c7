"""A custom data set: red discs, green squares and blue bars on noise, each present or absent."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = ["disc", "square", "bar"]


class Shapes:
    """Images are drawn when read; no files are written.

    Args:
        train, val: number of images.
        side: of the images, in pixels.

    Attributes:
        classes: by kind of label; a task with `target: tags` learns from these.
    """

    def __init__(self, train: int, val: int, side: int) -> None:
        self.counts, self.side = (train, val), side
        self.classes = {"tags": NAMES}

    def train(self) -> "Drawn":
        return Drawn(0, self.counts[0], self.side)

    def val(self) -> "Drawn":
        return Drawn(self.counts[0], self.counts[1], self.side)


class Drawn:
    """A split, one sample at a time (tasks/data/files/samples.py)."""

    def __init__(self, first: int, count: int, side: int) -> None:
        self.first, self.count, self.side = first, count, side

    def __len__(self) -> int:
        return self.count

    def name(self, index: int) -> str:
        return f"{self.first + index:06}"

    def size(self, _index: int) -> tuple[int, int]:
        return self.side, self.side

    def read(self, index: int, view: Callable[[Any], Any] | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB and `tags` (3) float32, 1 if present."""
        random = np.random.default_rng(self.first + index)
        tags = random.integers(0, 2, len(NAMES))
        image = random.integers(0, 60, (self.side, self.side, 3)).astype(np.uint8)
        y, x = np.indices((self.side, self.side))
        row, column = random.integers(self.side // 4, self.side * 3 // 4, 2)
        reach = self.side // 5
        forms = (
            (y - row) ** 2 + (x - column) ** 2 < reach**2,
            (abs(y - column) < reach) & (abs(x - row) < reach),
            abs(x + y - 2 * row) < reach // 2,
        )
        for channel, (form, there) in enumerate(zip(forms, tags, strict=True)):
            image[..., channel][form] += 180 * np.uint8(there)
        return {"image": image if view is None else view(image), "tags": tags.astype(np.float32)}

    def check(self) -> Iterator[None]:
        """Yield the error of each image: always None, as no file is read."""
        for _ in range(self.count):
            yield None
