"""Ranks channels by importance, and cuts the least important ones from a network's weights."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tasks.engine.learner import Learner
from tasks.search.narrow.widths import Width

HIDDEN = (("reduce.weight", 0), ("reduce.bias", 0), ("expand.weight", 1))  # dimensions inside a squeeze-and-excite
Importance = dict[str, Tensor]  # of each output channel of a BatchNorm layer, by the layer's name


def importances(learner: Learner, batches: Iterable[Mapping[str, Any]]) -> Importance:
    """First-order estimate of how much the training loss would change without each channel.

    This is the square of γ·∂L/∂γ + β·∂L/∂β of its BatchNorm, summed over batches (Molchanov et al., Importance
    estimation for neural network pruning, CVPR 2019, section 3.2, with gates after the normalisation). Gradients are
    left at None.
    """
    norms = {name: module for name, module in learner.backbone.named_modules() if isinstance(module, nn.BatchNorm2d)}
    found = {name: torch.zeros_like(module.weight) for name, module in norms.items()}
    for batch in batches:
        learner.zero_grad()
        sum(learner.losses(batch).values()).backward()  # type: ignore[union-attr]
        for name, norm in norms.items():
            if norm.weight.grad is not None and norm.bias.grad is not None:
                found[name] += (norm.weight * norm.weight.grad + norm.bias * norm.bias.grad).detach().square()
    learner.zero_grad()
    return found


def norms_of(width: Width, blocks: int) -> list[str]:
    """Names of the BatchNorm layers in a backbone whose channels belong to a width.

    Args:
        blocks: number of blocks in the network.
    """
    names = ["blocks.0.1"] if width.stem else []
    for number in width.expansions:
        names += [f"blocks.{number + 1}.expand.1", f"blocks.{number + 1}.depthwise.1"]
    names += [f"blocks.{number + 1}.project.1" for number in width.bottlenecks]
    return [*names, *([f"blocks.{blocks + 1}.1"] if width.last else [])]


def kept_channels(width: Width, channels: int, importance: Importance, blocks: int) -> Tensor:
    """Indices of a width's most important channels, ascending.

    Args:
        channels: how many to keep.
        blocks: number of blocks in the network.
    """
    found = [importance[name] for name in norms_of(width, blocks) if name in importance]
    return strongest(torch.stack(found).sum(0), channels)


def strongest(values: Tensor, count: int) -> Tensor:
    """Indices of the largest values, ascending."""
    return values.topk(count).indices.sort().values


def cut(state: Mapping[str, Tensor], narrow: Mapping[str, Tensor], kept: Tensor) -> dict[str, Tensor]:
    """Cut a network's tensors to the shapes of a narrower network.

    Args:
        state: of the network.
        narrow: state of the narrower network, which differs in one width.
        kept: indices of the channels kept in that width.

    Inside squeeze-and-excites, the channels with the largest weights to and from them are kept.
    """
    found = {}
    for name, tensor in state.items():
        excite, _, layer = name.rpartition(".excite.")
        for dim, (ours, wanted) in enumerate(zip(tensor.shape, narrow[name].shape, strict=True)):
            if ours != wanted:
                hidden = excite and (layer, dim) in HIDDEN
                tensor = tensor.index_select(dim, kept_inside(state, excite, wanted) if hidden else kept)
        found[name] = tensor.clone()
    return found


def kept_inside(state: Mapping[str, Tensor], block: str, channels: int) -> Tensor:
    """Indices of the channels kept inside a block's squeeze-and-excite."""
    reduce, expand = (state[f"{block}.excite.{layer}.weight"].flatten(1) for layer in ("reduce", "expand"))
    return strongest(reduce.norm(dim=1) * expand.norm(dim=0), channels)
