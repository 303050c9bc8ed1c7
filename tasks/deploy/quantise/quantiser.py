"""What int8 requires of a file format: ranges collected once, then files with some of the layers left in float."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.layer_graph import Layer

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
LEAST = 8  # minimum number of calibration images
PROBES = 4  # number of them used by last_outputs
Part = Literal["int8", "conversions", "floats"]
PARTS: tuple[Part, ...] = get_args(Part)


Limit = float | list[float]


class Seen(NamedTuple):
    """What a tensor holds: its smallest, largest and mean value."""

    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class Quantised:
    """The operators of a file, counted in the graph that its runtime actually executes, after its own optimisation.

    Attributes:
        int8: number by the runtime's name of the operator, of those that compute in 8 bits or only move them.
        conversions: of those that quantise, dequantise or change the type.
        floats: of all others.
    """

    int8: dict[str, int]
    conversions: dict[str, int]
    floats: dict[str, int]

    @classmethod
    def of(cls, operators: Iterable[tuple[Part, str]]) -> Self:
        """From each operator's part and the runtime's name of it."""
        every = list(operators)
        return cls(*(count(name for own, name in every if own == part) for part in PARTS))

    def counts(self) -> tuple[int, int, int]:
        """Number of operators in int8, that convert, and in float."""
        int8, conversions, floats = (sum(part.values()) for part in (self.int8, self.conversions, self.floats))
        return int8, conversions, floats

    def __str__(self) -> str:
        int8, conversions, floats = self.counts()
        names = ", ".join(name if number == 1 else f"{name} ×{number}" for name, number in self.floats.items())
        return (
            f"{int8} of {int8 + conversions + floats} operators of the optimised graph run in int8; "
            f"{conversions} {'quantises or dequantises' if conversions == 1 else 'quantise or dequantise'}, "
            + (f"{floats} {'is' if floats == 1 else 'are'} float: {names}" if floats else "none is float")
        )


class Quantiser(ABC):
    """Makes int8 files from one float file.

    Each is made of the float file and calibration images (N, 3, H, W), from which it collects ranges at once. That
    raises a UserError for a missing package, too few images, or a tensor without a finite range.

    Attributes:
        source: the float file.
        layers: operators that can run in int8, in order.
        first: the first batch of the images, (N, 3, H, W) whatever the file's layout.
    """

    source: Path
    layers: list[Layer]
    first: Images

    @abstractmethod
    def write(self, target: Path, keep: Collection[str] = ()) -> Quantised:
        """Write an int8 file in which the layers of these names stay in float."""

    @abstractmethod
    def last_outputs(self, keep: Collection[str]) -> list[Floats]:
        """Outputs of the last layers with weights for a few of the images, in int8 except the layers of these names."""

    @abstractmethod
    def seen(self) -> dict[str, Seen]:
        """What the tensors with a range hold in float for the first batch of images, by name."""

    @abstractmethod
    def set_range(self, name: str, low: Limit, high: Limit) -> None:
        """Set the range of one of these tensors, of each channel if the format has it so."""

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
    """Count occurrences by name, the most frequent first."""
    return dict(sorted(Counter(sorts).items(), key=lambda entry: (-entry[1], entry[0])))


def in_batches(batches: Sequence[Images], batch: int) -> list[Images]:
    """Calibration images in batches of the file's size; an incomplete last batch is dropped.

    Raises:
        UserError: for too few images.
    """
    images = np.concatenate(batches) if batches else np.empty((0, 3, 1, 1), np.uint8)
    if len(images) < max(LEAST, batch):
        raise UserError(f"int8 needs {max(LEAST, batch)} images or more to calibrate with; there are {len(images)}")
    return [np.ascontiguousarray(images[at : at + batch]) for at in range(0, len(images) - batch + 1, batch)]
