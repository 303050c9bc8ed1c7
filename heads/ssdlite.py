"""SSDLite: single-shot detection with depthwise-separable predictors (MobileNetV2, section 6.2; V3, section 6.3).
With full convolutions it is SSD (Liu et al., ECCV 2016), the papers' baseline.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.base import Feature
from heads.anchors import Anchors
from heads.base import Head, first_announced
from heads.ssd_layers import Convolution, Layers


class RawBoxes(NamedTuple):
    """SSD's and SSDLite's output for a batch, in training and in inference.

    Attributes:
        logits: (N, A, C + 1); column 0 is the background.
        offsets: (N, A, 4) from anchors to boxes (`heads.boxes.decode`).
        cells: (height, width) of each map, which determine the anchors.
    """

    logits: Tensor
    offsets: Tensor
    cells: tuple[tuple[int, int], ...]


class SSDLite(Head):
    """Two small predictors on each of several maps: classes and a box for every anchor.

        c4_expanded ─────────────────────────────────── 3×3 depthwise, 1×1 ──> logits, offsets
        c5 ──┬───────────────────────────────────────── 3×3 depthwise, 1×1 ──> logits, offsets
             └─ 1×1, 3×3 depthwise stride 2, 1×1 ──┬─── 3×3 depthwise, 1×1 ──> logits, offsets
                                                   └─ …

    Args:
        features: of the backbone.
        num_classes: C, without background.
        maps: names of the backbone's maps, finest first, each one name or a list whose first existing map is used.
            In the papers c4_expanded, the expansion in the block that leads to stride 32, and c5.
        extras: channels of the additional maps after the last of those, each half the size of the one before.
        anchors: makes the anchors for a number of maps (heads/anchors.py).
        convolution: of the predictors and the additional maps (heads/ssd_layers.py). The drawing shows "separable";
            "full" makes it SSD.
        kernel: of the predictors.
        norm_eps, norm_momentum: of the batch normalisations in this head; momentum as in PyTorch.
        prior: initial probability of every class, for the sigmoid losses; None for zero biases.

    Raises:
        ValueError: if the backbone does not have the maps, they are out of order, or the number of anchors differs; for
            extras, prior, convolution and kernel out of range.
    """

    def __init__(
        self,
        features: Mapping[str, Feature],
        num_classes: int,
        *,
        maps: Sequence[str | Sequence[str]] = (("c4_expanded", "c4"), "c5"),
        extras: Sequence[int] = (512, 256, 256, 128),
        anchors: Callable[[int], Anchors],
        convolution: Convolution = "separable",
        kernel: int = 3,
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.03,
        prior: float | None = None,
    ) -> None:
        super().__init__()
        if not maps:
            raise ValueError("head.maps names no map of the backbone")
        if extras is None or not all(isinstance(out, int) and out > 1 for out in extras):
            raise ValueError(f"head.extras={extras} must be a list of channels, 2 or more each")
        if prior is not None and not 0 < prior < 1:
            raise ValueError(f"head.prior={prior} must lie between 0 and 1, or be null")
        self.maps = tuple(first_announced(features, names) for names in maps)
        reductions = [features[name].reduction for name in self.maps]
        if reductions != sorted(reductions):
            raise ValueError(f"head.maps: {', '.join(self.maps)} are not in order, the finest first")
        self.reductions = [*reductions, *(reductions[-1] * 2**step for step in range(1, len(extras) + 1))]
        self.outputs = num_classes + 1
        self.convolution = convolution
        layers = Layers(convolution, kernel, partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum))
        channels = [features[name].channels for name in self.maps]
        self.extras = nn.ModuleList()
        for out in extras:
            self.extras.append(layers.halving(channels[-1], out))
            channels.append(out)
        self.anchors = anchors(len(channels))
        per_cell = self.anchors.per_cell
        if len(per_cell) != len(channels):
            raise ValueError(f"head.anchors has shapes for {len(per_cell)} maps; the head has {len(channels)}")
        pairs = list(zip(channels, per_cell, strict=True))
        self.classes = nn.ModuleList(
            layers.predictor(inside, count * self.outputs, "classify") for inside, count in pairs
        )
        self.boxes = nn.ModuleList(layers.predictor(inside, count * 4, "locate") for inside, count in pairs)
        self.initialise(prior)

    @property
    def title(self) -> str:
        return "SSD" if self.convolution == "full" else "SSDLite"

    def initialise(self, prior: float | None) -> None:
        """Normal weights with standard deviation 0.03, as in TensorFlow's configuration and torchvision."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.03)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        if prior is not None:
            for name, parameter in self.classes.named_parameters():
                if name.endswith("classify.bias"):
                    nn.init.constant_(parameter, math.log(prior / (1 - prior)))

    def cells(self, size: tuple[int, int]) -> tuple[tuple[int, int], ...]:
        """(height, width) of each map for images of this (height, width): every stride rounds up."""
        return tuple((-(-size[0] // reduction), -(-size[1] // reduction)) for reduction in self.reductions)

    def forward(self, maps: Mapping[str, Tensor]) -> RawBoxes:
        levels = [maps[name] for name in self.maps]
        for extra in self.extras:
            levels.append(extra(levels[-1]))
        logits = [unrolled(row(level), self.outputs) for row, level in zip(self.classes, levels, strict=True)]
        offsets = [unrolled(row(level), 4) for row, level in zip(self.boxes, levels, strict=True)]
        cells = tuple((level.shape[-2], level.shape[-1]) for level in levels)
        return RawBoxes(torch.cat(logits, 1), torch.cat(offsets, 1), cells)


def unrolled(x: Tensor, values: int) -> Tensor:
    """Reshape (N, shapes × values, H, W) to (N, H × W × shapes, values): cell by cell, in the anchors' order."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)
