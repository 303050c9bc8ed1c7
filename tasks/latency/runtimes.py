"""What runs units and networks, by name."""

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
        name: with its version.
        threads: that work on an image.
    """

    name: str
    threads: int

    def ready(self) -> AbstractContextManager[None]:
        """Around preparing and measuring."""

    def unit(self, unit: Unit) -> Terms:
        """What the unit's time is the sum of; its weights are of some value."""

    def whole(self, network: Learner, size: tuple[int, int]) -> Callable[[], object]:
        """A pass over an image of this (height, width)."""


RUNTIMES: dict[str, Callable[[int], Runtime]] = {"torch": TorchRuntime, "onnx": OnnxRuntime}


def make_runtime(name: str, threads: int) -> Runtime:
    """The runtime of this name.

    Raises:
        UserError: where it is not installed.
    """
    return RUNTIMES[name](threads)
