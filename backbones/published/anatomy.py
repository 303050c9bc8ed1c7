"""A network block by block: shapes, strides and costs of the built network."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.base import Backbone
from backbones.published.shapes import Counts, count, no_images


class Part(NamedTuple):
    """One block: shapes are (channels, height, width).

    Attributes:
        kernel: of its spatial convolutions or pooling, as are stride and dilation.
        params_without_norm: without BatchNorm's.
        plain_params, plain_madds: of the plain convolution in its place, see `plain_cost`; None if there is none.
    """

    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    kernel: str  # 3, or 5+5 for two of them; 1 if there is none
    stride: int
    dilation: int
    params: int
    params_without_norm: int
    madds: int
    plain_params: int | None
    plain_madds: int | None
    maps: tuple[str, ...]

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """Params without BatchNorm's and multiply-adds relative to the plain convolution's."""
        if self.plain_params is None or self.plain_madds is None:
            return None, None
        return self.params_without_norm / self.plain_params, self.madds / self.plain_madds


def part_of(part: nn.Module, x: Tensor, out: Tensor, counts: Counts, maps: tuple[str, ...] = ()) -> Part:
    """Describe what a block did to a map."""
    layers = [module for module in part.modules() if isinstance(module, nn.Conv2d | nn.MaxPool2d)]
    kernels = [max(pair(layer.kernel_size)) for layer in layers]
    plain_params, plain_madds = plain_cost(part, x, out)
    return Part(
        type(part).__name__,
        tuple(x.shape[1:]),
        tuple(out.shape[1:]),
        "+".join(str(kernel) for kernel in kernels if kernel > 1) or "1",
        max((max(pair(layer.stride)) for layer in layers), default=1),
        max((max(pair(layer.dilation)) for layer in layers), default=1),
        counts.params,
        counts.params_without_norm,
        counts.madds,
        plain_params,
        plain_madds,
        maps,
    )


def plain_cost(part: nn.Module, x: Tensor, out: Tensor) -> tuple[int, int] | tuple[None, None]:
    """Params and multiply-adds of the plain convolution that a block with depthwise convolutions replaces.

    It has the block's largest depthwise kernel k, its input channels c, output channels n and output size: k²·c·n
    params, k²·c·n·H·W multiply-adds. A depthwise separable convolution is 1/n + 1/k² of that (MobileNets, section 3.1).
    """
    convs = [module for module in part.modules() if isinstance(module, nn.Conv2d)]
    depthwise = [conv for conv in convs if conv.groups == conv.in_channels > 1]
    kernel = max((max(pair(conv.kernel_size)) for conv in depthwise), default=1)
    if kernel == 1:
        return None, None
    params = kernel**2 * x.shape[1] * out.shape[1]
    return params, params * out.shape[2:].numel()


def whole(parts: Sequence[Part]) -> tuple[float, float] | None:
    """Shares as of a block, for the whole network against its twin of plain convolutions; None if it is its twin."""
    if all(part.plain_params is None for part in parts):
        return None
    params = sum(part.params_without_norm if part.plain_params is None else part.plain_params for part in parts)
    madds = sum(part.madds if part.plain_madds is None else part.plain_madds for part in parts)
    return sum(part.params_without_norm for part in parts) / params, sum(part.madds for part in parts) / madds


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
