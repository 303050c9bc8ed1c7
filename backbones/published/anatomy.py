"""A network block by block: shapes, strides and costs of the built network."""

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.base import Backbone
from backbones.published.shapes import Counts, count, no_images


class Part(NamedTuple):
    """One block: shapes are (channels, height, width); the rest describes its spatial convolutions or pooling."""

    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: str  # 3, or 5+5 for two of them; 1 if there is none
    stride: int
    dilation: int
    params: int
    madds: int
    maps: tuple[str, ...]


def part_of(part: nn.Module, x: Tensor, out: Tensor, counts: Counts, maps: tuple[str, ...] = ()) -> Part:
    """Describe what a block did to a map."""
    layers = [module for module in part.modules() if isinstance(module, nn.Conv2d | nn.MaxPool2d)]
    kernels = [max(pair(layer.kernel_size)) for layer in layers]
    return Part(
        type(part).__name__,
        tuple(x.shape[1:]),
        tuple(out.shape[1:]),
        "+".join(str(kernel) for kernel in kernels if kernel > 1) or "1",
        max((max(pair(layer.stride)) for layer in layers), default=1),
        max((max(pair(layer.dilation)) for layer in layers), default=1),
        counts.params,
        counts.madds,
        maps,
    )


def pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    """A layer's size for height and width, which may be given as one number."""
    return size if isinstance(size, tuple) else (size, size)


def parts_of(backbone: Backbone, head: nn.Module, height: int, width: int) -> list[Part]:
    """The network's blocks in order and the head on top of c5, for images of this size.

    Raises:
        ValueError: if the network does not take images of this size.
    """
    backbone.eval()
    x = no_images(height, width)
    with torch.no_grad():
        maps = backbone(x)  # may reject the size
    parts = []
    for number, block in enumerate(backbone.blocks):
        counts, out = count(block, partial(block, x))
        names = tuple(name for name, tap in backbone.taps.items() if tap.block == number)
        parts.append(part_of(block, x, out, counts, names))
        x = out
    counts, logits = count(head, partial(head, maps))
    return [*parts, part_of(head, maps["c5"], logits, counts)]
