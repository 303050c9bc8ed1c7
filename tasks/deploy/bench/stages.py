"""From a photo to the user's results, in the three timed stages."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from tasks.common.labels import Pixels
from tasks.common.stopwatch import Stopwatch
from tasks.data.files.images import read_rgb

NAMES = ("prepare", "network", "finish")
TILE = 48  # side of a uniform tile in a made-up photo, in pixels
NOISE = 24
WALL = Stopwatch(threads=0)  # wall-clock time, whichever thread does the work


class Stages(ABC):
    """A network or an exported file, ready to run.

    Attributes:
        runtime: and its version.
        precision: of the computation: "fp32", "int8", …
        device: "cpu", or the accelerator's kind.
    """

    runtime: str
    precision: str
    device = "cpu"

    @abstractmethod
    def prepare(self, photo: Pixels) -> Any:
        """The network's input for a photo (H, W, 3) RGB, and whatever finish() needs to know about how it was made."""

    @abstractmethod
    def network(self, prepared: Any) -> Any:
        """Raw outputs, or whatever else an exported file returns."""

    @abstractmethod
    def finish(self, outputs: Any, prepared: Any) -> Any:
        """Results in the photo's pixels: a label map, the selected boxes, the top five classes."""

    @abstractmethod
    def seen(self, prepared: Any) -> tuple[int, int]:
        """(height, width) of the network's input."""

    def memory(self) -> int | None:
        """Peak accelerator memory in bytes; None without one."""
        return None

    def timed(self, photo: Pixels) -> tuple[float, float, float]:
        """Milliseconds of each stage, from one run of all three."""
        prepared, before = WALL.timed(lambda: self.prepare(photo))
        outputs, between = WALL.timed(lambda: self.network(prepared))
        _, after = WALL.timed(lambda: self.finish(outputs, prepared))
        return before, between, after


def photo_of(photo: str | list[int]) -> Pixels:
    """An image file as (H, W, 3) RGB, or a made-up image of this height and width: noisy tiles of random colours.

    Raises:
        UserError: for a file that cannot be read.
    """
    if isinstance(photo, str):
        return read_rgb(photo)
    height, width = photo
    generator = np.random.default_rng(0)
    tiles = generator.integers(NOISE, 256 - NOISE, (-(-height // TILE), -(-width // TILE), 3))
    image = tiles.repeat(TILE, 0).repeat(TILE, 1)[:height, :width]
    return (image + generator.integers(-NOISE, NOISE, image.shape)).astype(np.uint8)
