"""What a backbone promises: images in, named feature maps out, each announced with its channels and reduction."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from backbones.blocks import Activation

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of RGB in 0-1, as torchvision's weights expect them
IMAGENET_STD = (0.229, 0.224, 0.225)


class Hidden(NamedTuple):
    """The layer that a network's paper puts between pooling and classes."""

    channels: int
    act: Activation
    norm: bool = False  # batch normalisation between the two, and no bias


class Feature(NamedTuple):
    """What a head may know of a feature map: (N, channels, H / reduction, W / reduction)."""

    channels: int
    reduction: int
    hidden: Hidden | None = None  # of c5, where the paper has one


class Tap(NamedTuple):
    """Where a feature map leaves the network: block number, and the place inside that block."""

    block: int
    place: str = "out"


class Backbone(nn.Module):
    """A chain of blocks, some of whose maps are named.

    Map `cN` is the last one whose reduction is 2^N at full stride; with a smaller output stride it keeps its name and
    announces the reduction it really has. `features` says what there is. After `keep(names)` only those maps are
    computed, and the layers behind the last of them are gone.

    Args:
        blocks: modules called one after the other. A block that is tapped inside has a method `maps(x)` that returns
            its inner maps by place, "out" being its result.
        features: what each named map looks like.
        taps: where each named map leaves.
        mean, std: of the RGB channels in 0-1, subtracted and divided when images come as uint8.
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
        self.taps = taps
        self.stopped: tuple[int, set[str]] | None = None  # block that ends at its last of these places
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1), persistent=False)

    def keep(self, names: Iterable[str]) -> None:
        """Compute only these maps from now on, and drop the layers that none of them needs.

        Raises:
            ValueError: for a name that is not announced.
        """
        names = list(names)
        for name in names:
            if name not in self.features:
                raise ValueError(f"no feature map {name!r}; this backbone has {', '.join(self.features)}")
        self.features = {name: feature for name, feature in self.features.items() if name in names}
        self.taps = {name: tap for name, tap in self.taps.items() if name in names}
        last = max(tap.block for tap in self.taps.values())
        self.blocks = self.blocks[: last + 1]
        places = {tap.place for tap in self.taps.values() if tap.block == last}
        if "out" not in places and (last, places) != self.stopped:
            self.blocks[last].stop_after(places)  # type: ignore[operator]
            self.stopped = (last, places)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Feature maps by name.

        Args:
            images: (N, 3, H, W) RGB, uint8 as decoded, or float already normalised.
        """
        x = images if images.is_floating_point() else (images.to(self.mean.dtype) - self.mean) / self.std
        maps: dict[str, Tensor] = {}
        for index, block in enumerate(self.blocks):
            names = [(name, tap.place) for name, tap in self.taps.items() if tap.block == index]
            if all(place == "out" for _, place in names):
                x = block(x)
                maps.update((name, x) for name, _ in names)
            else:
                inner = block.maps(x)  # type: ignore[operator]
                maps.update((name, inner[place]) for name, place in names)
                x = inner.get("out", x)
        return maps
