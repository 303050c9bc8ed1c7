"""Domain batch normalisation: separate statistics for each data set of a mixture, shared weights and biases.

The statistics of two data sets are those of two domains (Li et al., Revisiting Batch Normalization for Practical Domain
Adaptation, ICLR workshop 2017); if normalised together, each is scored with a mean that fits none of its images.
"""

import copy
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

NUMBER = re.compile(r"\.norms\.(\d+)(?=\.\w+$)")  # in a tensor's name: number of the domain
COUNTS: ContextVar[Sequence[int] | None] = ContextVar("counts", default=None)  # of the current forward pass


@contextmanager
def images_of_domains(counts: Sequence[int] | None) -> Iterator[None]:
    """Normalise a batch by domain: its first counts[0] images are of domain 0, the next counts[1] of domain 1, ….

    Backbones enter this for the duration of a forward pass, because their blocks, including timm's, take only maps.
    """
    token = COUNTS.set(counts)
    try:
        yield
    finally:
        COUNTS.reset(token)


class DomainBatchNorm(nn.Module):
    """Normalises each domain's images by their own statistics.

        x (N, C, H, W) ──┬─ first counts[0] images ─── norms[0] ──┬── (N, C, H, W)
                         └─ next counts[1] images ──── norms[1] ──┘
                                                       one weight, one bias

    With several processes and nn.SyncBatchNorm, every process needs images of the same domains: one without would skip
    a sum that the others wait for.

    Args:
        norm: source of weight, bias and all initial statistics.
        domains: number of domains.

    Raises:
        RuntimeError: in forward, if the counts of `images_of_domains` do not match the batch.
    """

    def __init__(self, norm: nn.BatchNorm2d, domains: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(domains))
        for own in self.norms:
            own.weight, own.bias = norm.weight, norm.bias
        self.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        counts = COUNTS.get()
        if counts is None or sum(counts) != len(x) or len(counts) > len(self.norms):
            raise RuntimeError(f"{len(x)} images of {len(self.norms)} domains came with counts={counts}")
        present = [(norm, count) for norm, count in zip(self.norms, counts, strict=False) if count]
        if len(present) == 1:
            norm, _ = present[0]
            out: Tensor = norm(x)
            return out
        parts = torch.split(x, [count for _, count in present])
        return torch.cat([norm(part) for (norm, _), part in zip(present, parts, strict=True)])


def separate_domains(network: nn.Module, domains: int) -> None:
    """Give every nn.BatchNorm2d of a network separate statistics for each domain.

    `Backbone.keep()` rebuilds a timm network: keep first, then separate.

    Raises:
        ValueError: if `domains` is below one.
    """
    if domains < 1:
        raise ValueError(f"domains={domains} must be 1 or more")
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, DomainBatchNorm(child, domains))


def join_domains(network: nn.Module, number: int = 0) -> None:
    """Restore an ordinary network, with the statistics of one domain; an ordinary one is left unchanged."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, DomainBatchNorm):
                setattr(parent, name, child.norms[number])


def state_of_domain(state: Mapping[str, Tensor], number: int) -> dict[str, Tensor]:
    """The state of the ordinary network with the statistics of one domain, from a separated network's state.

    Raises:
        ValueError: if there are no statistics with that number.
    """
    whose = {name: int(match[1]) for name in state if (match := NUMBER.search(name))}
    if number not in whose.values():
        raise ValueError(f"no statistics of data set {number} among {max(whose.values(), default=-1) + 1}")
    return {NUMBER.sub("", name): tensor for name, tensor in state.items() if whose.get(name, number) == number}


def state_of_domains(state: Mapping[str, Tensor], numbers: Sequence[int]) -> dict[str, Tensor]:
    """The state of a separated network with only these domains, renumbered; for one, that of the ordinary network.

    Raises:
        ValueError: if there are no statistics with one of the numbers.
    """
    if len(numbers) == 1:
        return state_of_domain(state, numbers[0])
    result = {name: tensor for name, tensor in state.items() if not NUMBER.search(name)}
    for new, old in enumerate(numbers):
        own = {name: tensor for name, tensor in state.items() if (m := NUMBER.search(name)) and int(m[1]) == old}
        if not own:
            raise ValueError(f"no statistics of data set {old}")
        result |= {NUMBER.sub(f".norms.{new}", name): tensor for name, tensor in own.items()}
    return result


def state_for_domains(state: Mapping[str, Tensor], separated: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a separated network in which all domains have an ordinary network's statistics.

    Args:
        state: the ordinary network's; a separated one is returned unchanged.
        separated: any state of the separated network, for its names.
    """
    origins = {name: NUMBER.sub("", name) for name in separated if NUMBER.search(name)}
    ordinary = {name: tensor for name, tensor in state.items() if name not in origins.values()}
    return ordinary | {name: state[origin] for name, origin in origins.items() if origin in state}
