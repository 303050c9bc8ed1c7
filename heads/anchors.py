"""Anchors of single-shot detectors (Liu et al., ECCV 2016, section 2.2): fixed box shapes in every cell of each map."""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

Shape = tuple[float, float]  # width and height, relative to the image's shorter side


class Anchors:
    """The same few shapes around the centre of each cell of a map.

    Args:
        shapes: for each map, finest first, the shapes in its cells.
    """

    def __init__(self, shapes: Sequence[Sequence[Shape]]) -> None:
        self.shapes = [[tuple(map(float, shape)) for shape in level] for level in shapes]
        self.made: dict[tuple[object, ...], Tensor] = {}

    @property
    def per_cell(self) -> list[int]:
        """Number of anchors per cell of each map."""
        return [len(level) for level in self.shapes]

    def boxes(self, cells: Sequence[tuple[int, int]], size: tuple[int, int], device: torch.device | str) -> Tensor:
        """(A, 4) float32 absolute xyxy: map by map, row by row, cell by cell, shape by shape.

        Args:
            cells: (height, width) of each map.
            size: (height, width) of the image.

        Shapes are relative to the shorter side, so that they keep their aspect ratios in non-square images.
        """
        key = (tuple(cells), tuple(size), str(device))
        if key not in self.made:
            if len(self.made) == 16:  # bounds the memory if image sizes keep changing
                self.made.clear()
            self.made[key] = self.make(cells, size).to(device)
        return self.made[key]

    def make(self, cells: Sequence[tuple[int, int]], size: tuple[int, int]) -> Tensor:
        """As `boxes`, on the CPU; relative first, in torchvision's order of operations, for the same rounding.

        trainer.precision=bf16-true changes PyTorch's default dtype, so every tensor sets its own.
        """
        height, width = size
        scale = torch.tensor([min(size) / width, min(size) / height], dtype=torch.float32)
        levels = []
        for shapes, (rows, columns) in zip(self.shapes, cells, strict=True):
            y, x = torch.meshgrid(
                (torch.arange(rows, dtype=torch.float32) + 0.5) / rows,
                (torch.arange(columns, dtype=torch.float32) + 0.5) / columns,
                indexing="ij",
            )
            centres = torch.stack((x, y), 2).view(-1, 1, 2)  # (cells, 1, 2)
            half = 0.5 * (torch.tensor(shapes, dtype=torch.float32) * scale)  # (shapes, 2)
            levels.append(torch.cat((centres - half, centres + half), 2).view(-1, 4))
        return torch.cat(levels) * torch.tensor([width, height, width, height])


def between(smallest: float, largest: float, levels: int) -> list[float]:
    """Evenly spaced scales of the maps, followed by 1."""
    step = (largest - smallest) / max(1, levels - 1)
    return [*(smallest + step * level for level in range(levels)), 1.0]


def paper(
    levels: int,
    *,
    smallest: float = 0.2,
    largest: float = 0.95,
    scales: Sequence[float] | None = None,
    ratios: Sequence[float] = (1, 2, 1 / 2, 3, 1 / 3),
    reduce_first: bool = True,
) -> Anchors:
    """Anchors of the MobileNet papers' SSDLite, as in TensorFlow's configuration.

    Each map has a scale; it has anchors of that scale in all aspect ratios, and one square halfway to the next map's
    scale. The finest map has only three: a square of half the scale, and the ratios 2 and 1/2.

    Args:
        smallest, largest: scales of the first and the last map, relative to the image's shorter side.
        scales: of each map, instead of even steps from smallest to largest.
        ratios: width to height.
        reduce_first: whether the finest map has only three anchors.

    Raises:
        ValueError: if the number of scales is not the number of maps.
    """
    if scales is not None and (isinstance(scales, float | int) or not all(scale > 0 for scale in scales)):
        raise ValueError(f"head.anchors.scales={scales} must be a list of numbers above 0, or null")
    if scales is None and not 0 < smallest <= largest:
        raise ValueError(f"head.anchors: 0 < smallest={smallest} <= largest={largest} does not hold")
    if not ratios or not all(ratio > 0 for ratio in ratios):
        raise ValueError(f"head.anchors.ratios={list(ratios)} must be numbers above 0")
    if not isinstance(reduce_first, bool):
        raise ValueError(f"head.anchors.reduce_first={reduce_first} is not true or false")
    steps = [*map(float, scales), 1.0] if scales else between(smallest, largest, levels)
    if len(steps) != levels + 1:
        raise ValueError(f"head.anchors.scales has {len(steps) - 1} values for {levels} maps")
    shapes = []
    for level, (scale, following) in enumerate(pairwise(steps)):
        if level == 0 and reduce_first:
            shapes.append([(0.5 * scale, 0.5 * scale), of_ratio(scale, 2), of_ratio(scale, 1 / 2)])
            continue
        middle = math.sqrt(scale * following)
        shapes.append([*(of_ratio(scale, ratio) for ratio in ratios), (middle, middle)])
    return Anchors(shapes)


def torchvision(levels: int, *, smallest: float = 0.2, largest: float = 0.95) -> Anchors:
    """Anchors of torchvision's ssdlite320: six per cell on every map, none larger than the image."""
    steps = between(smallest, largest, levels)
    shapes = []
    for scale, following in pairwise(steps):
        middle = math.sqrt(scale * following)
        level = [(scale, scale), (middle, middle)]
        for root in (math.sqrt(2), math.sqrt(3)):
            level += [(scale * root, scale / root), (scale / root, scale * root)]
        shapes.append([(min(1.0, width), min(1.0, height)) for width, height in level])
    return Anchors(shapes)


def listed(levels: int, *, shapes: Sequence[Sequence[Sequence[float]]]) -> Anchors:
    """Anchors of exactly these shapes, as they are fitted to the boxes of a data set.

    Args:
        shapes: for each map, finest first, width and height of its anchors, relative to the image's shorter side.

    Raises:
        ValueError: if there are not as many lists as maps.
    """
    if len(shapes) != levels or not all(shapes):
        raise ValueError(f"head.anchors.shapes has lists for {len(shapes)} maps, of {levels}; none may be empty")
    return Anchors([[(float(width), float(height)) for width, height in level] for level in shapes])


def of_ratio(scale: float, ratio: float) -> Shape:
    """A shape with this ratio and the area of a square of this scale."""
    return scale * math.sqrt(ratio), scale / math.sqrt(ratio)
