"""Costs of a network: parameters, multiply-adds, or milliseconds looked up layer by layer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.stopwatch import Stopwatch
from tasks.config.amounts import readable
from tasks.engine.learner import Learner
from tasks.latency.runtimes import Runtime, make_runtime
from tasks.latency.settings import LatencySettings
from tasks.latency.table import Conditions, LatencyTable, format_conditions, machine
from tasks.latency.units import Unit, counted, units_of

TOGETHER = 16  # number of units measured in turn; all at once would fill the memory


class Meter(ABC):
    """Measures a cost of networks; smaller is better.

    Attributes:
        name, unit: of the cost.
    """

    name: str
    unit: str

    @abstractmethod
    def of(self, learner: Learner) -> float:
        """Cost of one pass over one image; the network may be on the meta device."""

    def format(self, cost: float) -> str:
        """Format a cost with its unit."""
        return readable(cost, self.unit)


class Params(Meter):
    """Trainable parameters."""

    name, unit = "params", "params"

    def of(self, learner: Learner) -> float:
        parts = (learner.backbone, *(task.head for _, task in learner.each_task()))
        return sum(parameter.numel() for part in parts for parameter in part.parameters())


class Madds(Meter):
    """Multiply-adds as heads/sizes.py counts them, for images of this (height, width)."""

    name, unit = "madds", "multiply-adds"

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size

    def of(self, learner: Learner) -> float:
        return sum(counted(unit).madds for unit in units_of(learner, self.size))


class Latency(Meter):
    """Milliseconds: the sum over a network's units, each measured once and then looked up.

    Args:
        runtime: measures units missing from the table.
        table: of that runtime.
        seconds: of measuring per unit.
        size: (height, width) of the image.
    """

    name, unit = "latency", "ms"

    def __init__(self, runtime: Runtime, table: LatencyTable, seconds: float, size: tuple[int, int]) -> None:
        self.runtime, self.table, self.seconds, self.size = runtime, table, seconds, size

    @property
    def factor(self) -> float:
        """Ratio of whole networks' time to the sum of their units, as search=latency measured for this size, or 1."""
        return self.table.factors.get(sized(self.size), 1.0)

    def of(self, learner: Learner) -> float:
        return self.factor * self.sum(units_of(learner, self.size))

    def sum(self, units: Sequence[Unit]) -> float:
        """Total milliseconds of units; measures those missing from the table."""
        missing = {unit.key: unit for unit in units if unit.key not in self.table.ms}
        if missing:
            self.measure(list(missing.values()))
        return sum(self.table.ms[unit.key] for unit in units)

    def measure(self, units: Sequence[Unit]) -> None:
        """Measure units and add them to the table.

        Raises:
            UserError: if the table is from another machine.
        """
        if self.table.foreign:
            there = format_conditions(self.table.conditions)
            raise UserError(f"latency.table={self.table.path} lacks {units[0].key}; only {there} can measure it")
        stopwatch = Stopwatch(self.runtime.threads, swept=True)
        for first in range(0, len(units), TOGETHER):
            some = units[first : first + TOGETHER]
            with self.runtime.ready():
                times = stopwatch.measure([self.runtime.unit(unit) for unit in some], self.seconds)
            self.table.add({unit.key: max(0.0, round(ms, 6)) for unit, ms in zip(some, times, strict=True)})


def make_meter(settings: LatencySettings, name: str, size: tuple[int, int]) -> Meter:
    """Make the meter for "latency", "madds" or "params".

    Args:
        settings: how milliseconds are measured, and where they are stored.
        size: (height, width) of the image.

    Raises:
        UserError: for a table of another machine or runtime, or a runtime that is not installed.
    """
    if name == "params":
        return Params()
    if name == "madds":
        return Madds(size)
    if settings.device is not None:
        from tasks.latency.device import of_device  # a meter too

        return of_device(settings, size)
    runtime = make_runtime(settings.runtime, settings.threads)
    path = settings.table or f"outputs/latency/{settings.runtime}_{settings.threads}_{settings.precision}.json"
    here = Conditions(machine(), runtime.name, settings.threads, settings.precision)
    table = LatencyTable(Path(path), here, foreign=settings.other_machine)
    return Latency(runtime, table, settings.seconds, size)


def sized(size: tuple[int, int]) -> str:
    """Key of a (height, width) in a table."""
    return f"{size[0]}×{size[1]}"
