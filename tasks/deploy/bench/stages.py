"""From a photo to what a user wants, in the three stages that are timed."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from tasks.common.labels import Pixels
from tasks.common.stopwatch import Stopwatch
from tasks.data.files.images import read_rgb

NAMES = ("prepare", "network", "finish")
TILE = 48  # pixels of a made-up photo that are alike
NOISE = 24
WALL = Stopwatch(threads=0)  # what the caller waits for, whoever works


class Stages(ABC):
    """A network or an exported file, ready to run.

    Attributes:
        runtime: and its version.
        precision: what it computes in: "fp32", "int8", …
        device: "cpu", or the accelerator's kind.
    """

    runtime: str
    precision: str
    device = "cpu"

    @abstractmethod
    def prepare(self, photo: Pixels) -> Any:
        """What the network sees of a photo (H, W, 3) RGB, and whatever finish() must know of how it was made."""

    @abstractmethod
    def network(self, prepared: Any) -> Any:
        """Raw outputs, or what else an exported file gives."""

    @abstractmethod
    def finish(self, outputs: Any, prepared: Any) -> Any:
        """Results in the photo's pixels: a label map, the boxes that are kept, the five likeliest classes."""

    @abstractmethod
    def seen(self, prepared: Any) -> tuple[int, int]:
        """(height, width) of what the network sees."""

    def memory(self) -> int | None:
        """Bytes that the accelerator's memory has held at most; None without one."""
        return None

    def timed(self, photo: Pixels) -> tuple[float, float, float]:
        """Milliseconds of each stage, in one run of all three."""
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
