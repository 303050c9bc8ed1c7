"""Networks as shapes: built without initialisation, run on empty batches. A whole table of them takes a moment.

`heads.sizes.measure`, which uses PyTorch's own operator counter, serves as the check for this.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar
from unittest.mock import patch

import torch
from torch import Tensor, nn

Result = TypeVar("Result")
INITIALISERS = ("kaiming_uniform_", "kaiming_normal_", "normal_", "uniform_", "ones_", "zeros_", "constant_")


def untouched(tensor: Tensor, *_arguments: Any, **_keywords: Any) -> Tensor:
    """Replaces an initialisation: untouched memory costs nothing."""
    return tensor


@contextmanager
def uninitialised() -> Iterator[None]:
    """Leaves the weights of everything built inside uninitialised."""
    keywords: dict[str, Any] = dict.fromkeys(INITIALISERS, untouched)
    with patch.multiple(nn.init, **keywords):
        yield


class Counts(NamedTuple):
    """Trainable parameters with and without BatchNorm's, and multiply-adds for one image."""

    params: int
    params_without_norm: int
    madds: int


def count(network: nn.Module, run: Callable[[], Result]) -> tuple[Counts, Result]:
    """Count a network while it runs; returns the counts and the result of the run.

    Args:
        network: put into evaluation mode; multiply-adds of its convolutions and linear layers are counted.
        run: calls it. The batch may be empty: a convolution still reports the size of its map.
    """
    madds = 0

    def add(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal madds
        assert isinstance(layer.weight, Tensor)
        madds += output.shape[1:].numel() * layer.weight[0].numel()  # each number is a sum over a row of the weights

    modules = list(network.eval().modules())
    hooks = [module.register_forward_hook(add) for module in modules if isinstance(module, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        result = run()
    for hook in hooks:
        hook.remove()
    params = sum(parameter.numel() for parameter in network.parameters())
    norms = [module for module in modules if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    return Counts(params, params - sum(value.numel() for norm in norms for value in norm.parameters()), madds), result


def no_images(height: int, width: int) -> Tensor:
    """An empty batch of images of this size."""
    return torch.empty(0, 3, height, width)
