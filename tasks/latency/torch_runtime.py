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
    """Runs as mode=predict does: in inference mode, channels last.

    Args:
        threads: that work on an image.

    Attributes:
        name: what a table says of it.
    """

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.name = f"torch {version('torch')}, channels last"

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Around measuring: so many threads, and memory that is kept (pages that fault in are no layer's own cost)."""
        threads = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        keep_freed_memory()
        try:
            with torch.inference_mode():
                yield
        finally:
            torch.set_num_threads(threads)

    def unit(self, unit: Unit) -> Terms:
        """The unit's layers, called as they are."""
        module = with_values(unit.module).to(memory_format=LAST)
        inputs = [example(unit, shape).contiguous(memory_format=LAST) for shape in unit.shapes]
        return [Term(1, partial(module, *inputs))]

    def whole(self, network: Learner, size: tuple[int, int]) -> Callable[[], object]:
        """A pass over an image of this (height, width)."""
        image = torch.randint(256, (1, 3, *size), dtype=torch.uint8).contiguous(memory_format=LAST)
        return partial(network.to(memory_format=LAST), image)


def with_values(module: nn.Module) -> nn.Module:
    """A copy on the CPU of a module without values, its weights as they are initialised."""
    module = copy.deepcopy(module).to_empty(device="cpu").eval()
    for part in module.modules():
        if callable(reset := getattr(part, "reset_parameters", None)):
            reset()
    return module


def example(unit: Unit, shape: Shape) -> Tensor:
    """An input of a unit: an image, or a map."""
    return torch.randint(256, shape, dtype=torch.uint8) if isinstance(unit.module, Normalise) else torch.randn(shape)
