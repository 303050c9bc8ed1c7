"""Runtimes for units and networks, by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from tasks.common.stopwatch import Terms
from tasks.engine.learner import Learner
from tasks.latency.onnx_runtime import OnnxRuntime
from tasks.latency.torch_runtime import TorchRuntime
from tasks.latency.units import Unit


class Runtime(Protocol):
    """Runs one image at a time on the CPU.

    Attributes:
        name: including the version.
        threads: number that work on an image.
    """

    name: str
    threads: int

    def ready(self) -> AbstractContextManager[None]:
        """Context for preparing and measuring."""

    def unit(self, unit: Unit) -> Terms:
        """Terms that sum to the unit's time; its weights have arbitrary values."""

    def whole(self, network: Learner, size: tuple[int, int]) -> Callable[[], object]:
        """Callable for one pass over an image of this (height, width)."""


RUNTIMES: dict[str, Callable[[int], Runtime]] = {"torch": TorchRuntime, "onnx": OnnxRuntime}


def make_runtime(name: str, threads: int) -> Runtime:
    """Make the runtime of this name.

    Raises:
        UserError: if it is not installed.
    """
    return RUNTIMES[name](threads)
