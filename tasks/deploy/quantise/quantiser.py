"""What int8 requires of a file format: ranges collected once, then files with some of the layers left in float."""

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
LEAST = 8  # minimum number of calibration images
PROBES = 4  # number of them used by last_outputs


@dataclass(frozen=True)
class Quantised:
    """How much of a file runs in int8, counted from what its runtime actually executes.

    Attributes:
        int8: number of operators per category (conv, depthwise, gemm, add, mul) that run in int8.
        possible: number that could.
    """

    int8: dict[str, int]
    possible: dict[str, int]

    def __str__(self) -> str:
        sorts = ", ".join(f"{self.int8.get(sort, 0)} of {count} {sort}" for sort, count in self.possible.items())
        return f"{sum(self.int8.values())} of {sum(self.possible.values())} operators in int8: {sorts}"


class Quantiser(ABC):
    """Makes int8 files from one float file.

    Attributes:
        source: the float file; its input is uint8 images (N, 3, H, W).
        layers: operators that can run in int8, in order.
    """

    source: Path
    layers: list[Layer]

    @abstractmethod
    def write(self, target: Path, keep: Collection[str] = ()) -> Quantised:
        """Write an int8 file in which the layers of these names stay in float."""

    @abstractmethod
    def last_outputs(self, keep: Collection[str]) -> list[Floats]:
        """Outputs of the last layers with weights for a few of the images, in int8 except the layers of these names."""

    def possible(self) -> dict[str, int]:
        """Number of operators that could run in int8, by category."""
        return count(layer.counted for layer in self.layers)

    def check_known(self, keep: Collection[str]) -> None:
        """Raises a UserError for the name of an unknown layer."""
        names = {layer.name for layer in self.layers}
        for name in keep:
            if name not in names:
                raise UserError(f"{self.source} has no layer {name} that could stay in float")

    def refuse_unless(self, finite: bool, what: str) -> None:
        """Raises a UserError for values that have no int8 range."""
        if not finite:
            raise UserError(f"{self.source}: {what} is not finite for the calibration images, so it cannot be int8")


def count(sorts: Iterable[str]) -> dict[str, int]:
    """Count occurrences by name."""
    return dict(sorted(Counter(sorts).items()))


def in_batches(batches: Sequence[Images], batch: int) -> list[Images]:
    """Calibration images in batches of the file's size; an incomplete last batch is dropped.

    Raises:
        UserError: for too few images.
    """
    images = np.concatenate(batches) if batches else np.empty((0, 3, 1, 1), np.uint8)
    if len(images) < max(LEAST, batch):
        raise UserError(f"int8 needs {max(LEAST, batch)} images or more to calibrate with; there are {len(images)}")
    return [np.ascontiguousarray(images[at : at + batch]) for at in range(0, len(images) - batch + 1, batch)]
