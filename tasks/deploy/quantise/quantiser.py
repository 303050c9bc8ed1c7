"""What int8 needs of a file format: ranges collected once, then files with some of the layers left in float."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.deploy.quantise.graph import Layer

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
LEAST = 8  # images to calibrate with
PROBES = 4  # of them, for last_outputs


@dataclass(frozen=True)
class Quantised:
    """How much of a file works in int8, counted in what its runtime really executes.

    Attributes:
        int8: operators of each sort (conv, depthwise, gemm, add, mul) that do.
        possible: those that could.
    """

    int8: dict[str, int]
    possible: dict[str, int]

    def __str__(self) -> str:
        sorts = ", ".join(f"{self.int8.get(sort, 0)} of {count} {sort}" for sort, count in self.possible.items())
        return f"{sum(self.int8.values())} of {sum(self.possible.values())} operators in int8: {sorts}"


class Quantiser(ABC):
    """Makes int8 files of one float file.

    Attributes:
        source: the float file; its input is uint8 images (N, 3, H, W).
        layers: what can work in int8, in order.
    """

    source: Path
    layers: list[Layer]

    @abstractmethod
    def write(self, target: Path, keep: Collection[str] = ()) -> Quantised:
        """An int8 file in which the layers of these names stay in float."""

    @abstractmethod
    def last_outputs(self, keep: Collection[str]) -> list[Floats]:
        """What the last layers with weights give for a few of the images, in int8 but for the layers of these names."""

    def possible(self) -> dict[str, int]:
        """How many operators of each sort could work in int8."""
        return count(layer.counted for layer in self.layers)

    def check_known(self, keep: Collection[str]) -> None:
        """Raises a UserError for a name of no layer."""
        names = {layer.name for layer in self.layers}
        for name in keep:
            if name not in names:
                raise UserError(f"{self.source} has no layer {name} that could stay in float")

    def refuse_unless(self, finite: bool, what: str) -> None:
        """Raises a UserError for numbers that have no int8 range."""
        if not finite:
            raise UserError(f"{self.source}: {what} is not finite for the calibration images, so it cannot be int8")


def count(sorts: Iterable[str]) -> dict[str, int]:
    """How many there are of each, by name."""
    return dict(sorted(Counter(sorts).items()))


def in_batches(batches: Sequence[Images], batch: int) -> list[Images]:
    """Calibration images in batches of the size that a file takes; what is left over is left out.

    Raises:
        UserError: for too few of them.
    """
    images = np.concatenate(batches) if batches else np.empty((0, 3, 1, 1), np.uint8)
    if len(images) < max(LEAST, batch):
        raise UserError(f"int8 needs {max(LEAST, batch)} images or more to calibrate with; there are {len(images)}")
    return [np.ascontiguousarray(images[at : at + batch]) for at in range(0, len(images) - batch + 1, batch)]
