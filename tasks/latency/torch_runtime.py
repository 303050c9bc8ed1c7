"""Units and networks in PyTorch on the CPU."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version

import torch
from torch import Tensor, nn

from tasks.common.cpu import keep_freed_memory
from tasks.common.stopwatch import Term, Terms
from tasks.engine.learner import Learner
from tasks.latency.units import Normalise, Shape, Unit

LAST = torch.channels_last


class TorchRuntime:
    """Runs units and networks as mode=predict does: in inference mode, channels last.

    Args:
        threads: number that work on an image.

    Attributes:
        name: of the runtime in a table.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.name = f"torch {version('torch')}, channels last"

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Context for measuring: sets the threads, and keeps freed memory, as page faults are no cost of a layer."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        keep_freed_memory()
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(threads)

    def unit(self, unit: Unit) -> Terms:
        """Time of the unit's layers, called directly."""
        module = with_values(unit.module).to(memory_format=LAST)
        inputs = [example(unit, shape).contiguous(memory_format=LAST) for shape in unit.shapes]
        return [Term(1, partial(module, *inputs))]

    def whole(self, network: Learner, size: tuple[int, int]) -> Callable[[], object]:
        """Callable for one pass over an image of this (height, width)."""
        image = torch.randint(256, (1, 3, *size), dtype=torch.uint8).contiguous(memory_format=LAST)
        return partial(network.to(memory_format=LAST), image)


def with_values(module: nn.Module) -> nn.Module:
    """Copy a module from the meta device to the CPU, with initial weights."""
    module = copy.deepcopy(module).to_empty(device="cpu").eval()
    for part in module.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return module


def example(unit: Unit, shape: Shape) -> Tensor:
    """Random input of a unit: an image or a map."""
    return torch.randint(256, shape, dtype=torch.uint8) if isinstance(unit.module, Normalise) else torch.randn(shape)
