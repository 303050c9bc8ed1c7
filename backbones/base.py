"""Interface of a backbone: images in, named feature maps out, each declared with its channels and reduction."""

from collections.abc import Iterable, Sequence, Set
from contextlib import nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.blocks import Activation, TappedBlock
from backbones.domain_norm import images_of_domains

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB in 0-1, as torchvision's weights expect
IMAGENET_STD = (0.229, 0.224, 0.225)


class Hidden(NamedTuple):
    """The layer that a network's paper has between pooling and classes."""

    channels: int
    act: Activation
    norm: bool = False  # batch normalisation between the two, without bias


class Feature(NamedTuple):
    """Description of a feature map for heads: (N, channels, H / reduction, W / reduction)."""

    channels: int
    reduction: int
    hidden: Hidden | None = None  # of c5, if the paper has one


class Tap(NamedTuple):
    """Where a feature map leaves the network: block number, and place inside that block."""

    block: int
    place: str = "out"


class Backbone(nn.Module):
    """A chain of blocks with some named feature maps.

    Map `cN` is the last one whose reduction is 2^N at full stride; with a smaller output stride it keeps its name and
    declares its actual reduction. `features` lists the maps. After `keep(names)` only those maps are computed, and the
    layers after the last of them are removed.

    Args:
        blocks: modules called one after the other. Those with taps inside are TappedBlocks.
        features: description of each named map.
        taps: where each named map leaves.
        mean, std: of the RGB channels in 0-1, used to normalise uint8 images.

    Attributes:
        all_taps: where each map leaves, also of those that are not computed.
        dropped: names of the tensors that keep() removed, in order.
        frozen_blocks: number of leading blocks that run without gradients for now; of all blocks: the whole backbone.
    """

    def __init__(
        self,
        blocks: Iterable[nn.Module],
        features: dict[str, Feature],
        taps: dict[str, Tap],
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.mean: Tensor
        self.std: Tensor
        self.features = features
        self.taps, self.all_taps = taps, dict(taps)
        self.dropped: list[str] = []
        self.frozen_blocks = 0
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1), persistent=False)

    def keep(self, names: Iterable[str]) -> None:
        """Compute only these maps from now on, and drop the layers that none of them needs.

        Raises:
            ValueError: for an unknown name.
        """
        names = list(names)
        for name in names:
            if name not in self.features:
                raise ValueError(f"no feature map {name!r}; this backbone has {', '.join(self.features)}")
        self.features = {name: feature for name, feature in self.features.items() if name in names}
        self.taps = {name: tap for name, tap in self.taps.items() if name in names}
        before = list(self.state_dict())
        self.drop_layers()
        kept = self.state_dict().keys()
        self.dropped = [name for name in before if name not in kept] + self.dropped

    @property
    def deepest(self) -> str:
        """Name of the last map that is computed."""
        return max(self.taps, key=lambda name: (self.taps[name].block, self.taps[name].place == "out"))

    def drop_layers(self) -> None:
        """Delete the layers that no tap needs."""
        last = max(tap.block for tap in self.taps.values())
        self.blocks = self.blocks[: last + 1]
        block = self.blocks[last]
        if isinstance(block, TappedBlock):
            block.drop_after({tap.place for tap in self.taps.values() if tap.block == last})

    def forward(self, images: Tensor, counts: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Feature maps by name.

        Args:
            images: (N, 3, H, W) RGB, uint8 as decoded, or already normalised floats.
            counts: number of images of each data set, in order, for a backbone with statistics per data set
                (domain_norm.py); others ignore it.
        """
        x = images if images.is_floating_point() else (images.to(self.mean.dtype) - self.mean) / self.std
        whole = 0 < self.frozen_blocks >= len(self.blocks)
        domains = nullcontext() if counts is None else images_of_domains(counts)  # which torch.compile cannot follow
        with domains, torch.no_grad() if whole else nullcontext():
            return self.maps(x)

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, from normalised images (N, 3, H, W)."""
        maps: dict[str, Tensor] = {}
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            taps = {name: tap.place for name, tap in self.taps.items() if tap.block == index}
            with torch.no_grad() if index < self.frozen_blocks else nullcontext():
                inner = maps_of(block, x, {*taps.values()} if index == last else {*taps.values(), "out"})
            maps |= {name: inner[place] for name, place in taps.items()}
            x = inner.get("out", x)
        return maps


def maps_of(block: nn.Module, x: Tensor, places: Set[str]) -> dict[str, Tensor]:
    """A block's maps at these places; "out" is its result."""
    if isinstance(block, TappedBlock) and not places <= {"out"}:
        return block.run_until(x, places)
    return {"out": block(x)}
