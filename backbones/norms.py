"""Batch normalisation with statistics for each data set of a mixture, weights and biases shared.

The statistics of two data sets are those of two domains (Li et al., Revisiting Batch Normalization for Practical Domain
Adaptation, ICLR workshop 2017); normalised together, each is scored with a mean that no image of it has.
"""

import copy
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

NUMBER = re.compile(r"\.norms\.(\d+)(?=\.\w+$)")  # in a tensor's name: whose it is


@dataclass
class Rows:
    """How many of the next images are of each data set, in order; data sets behind the last have none."""

    counts: tuple[int, ...] = ()


class SeparateNorm(nn.Module):
    """Each data set's images normalised by their own statistics.

        x (N, C, H, W) ──┬─ first counts[0] rows ─── norms[0] ──┬── (N, C, H, W)
                         └─ next counts[1] rows ──── norms[1] ──┘
                                                     one weight, one bias

    With several processes and nn.SyncBatchNorm, each process has rows of the same data sets: those without would not
    take part in a sum that the others wait for.

    Args:
        norm: gives weight, bias and the statistics that all start with.
        sets: number of data sets.
        rows: says before each forward pass whose rows come.
    """

    def __init__(self, norm: nn.BatchNorm2d, sets: int, rows: Rows) -> None:
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(sets))
        for own in self.norms:
            own.weight, own.bias = norm.weight, norm.bias
        self.rows = rows
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        counts = self.rows.counts
        if sum(counts) != len(x) or len(counts) > len(self.norms):
            raise RuntimeError(f"{len(x)} images of {len(self.norms)} data sets came as rows.counts={counts}")
        present = [(norm, count) for norm, count in zip(self.norms, counts, strict=False) if count]
        if len(present) == 1:
            return present[0][0](x)
        parts = x.split([count for _, count in present])
        return torch.cat([norm(part) for (norm, _), part in zip(present, parts, strict=True)])


def separate(backbone: nn.Module, sets: int) -> None:
    """Give every nn.BatchNorm2d in a network statistics for each data set, and the network its `rows: Rows`.

    A network of timm is built anew by `Backbone.keep()`: keep first, then separate.

    Raises:
        ValueError: for fewer than one data set.
    """
    if sets < 1:
        raise ValueError(f"sets={sets} must be 1 or more")
    rows = Rows()
    for parent in list(backbone.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, SeparateNorm(child, sets, rows))
    backbone.rows = rows  # type: ignore[assignment]  # neither a tensor nor a module: no part of the state


def merged(state: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The state of the ordinary network with the statistics of one data set, from that of a separated one.

    Raises:
        ValueError: where there are no statistics of that number.
    """
    whose = {name: int(match[1]) for name in state if (match := NUMBER.search(name))}
    if number not in whose.values():
        raise ValueError(f"no statistics of data set {number} among {max(whose.values(), default=-1) + 1}")
    return {NUMBER.sub("", name): tensor for name, tensor in state.items() if whose.get(name, number) == number}


def chosen(state: Mapping[str, Tensor], numbers: Sequence[int]) -> dict[str, Tensor]:
    """The state of a separated network of these data sets alone, numbered anew; of one, that of the ordinary network.

    Raises:
        ValueError: where there are no statistics of a number.
    """
    if len(numbers) == 1:
        return merged(state, numbers[0])
    result = {name: tensor for name, tensor in state.items() if not NUMBER.search(name)}
    for new, old in enumerate(numbers):
        own = {name: tensor for name, tensor in state.items() if (m := NUMBER.search(name)) and int(m[1]) == old}
        if not own:
            raise ValueError(f"no statistics of data set {old}")
        result |= {NUMBER.sub(f".norms.{new}", name): tensor for name, tensor in own.items()}
    return result


def spread(state: Mapping[str, Tensor], separated: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a separated network whose data sets all have an ordinary network's statistics.

    Args:
        state: the ordinary network's; one that is separated already stays as it is.
        separated: any state of the separated network, for its names.
    """
    origins = {name: NUMBER.sub("", name) for name in separated if NUMBER.search(name)}
    ordinary = {name: tensor for name, tensor in state.items() if name not in origins.values()}
    return ordinary | {name: state[origin] for name, origin in origins.items() if origin in state}
