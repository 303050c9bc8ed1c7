"""Any convolutional network of timm (https://github.com/huggingface/pytorch-image-models) as a backbone."""

import difflib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backbones.base import Backbone, Feature, Tap
from backbones.stages import check_choice

FULL = 32  # default output stride of timm's networks


def timm_library() -> Any:
    """The package, imported only when one of its networks is built.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import timm
    except ImportError:  # from None, here and below: commands print an error's first cause
        raise ValueError('backbone=timm needs: pip install "mobilevision[timm]"') from None
    return timm


def feature_network(
    name: str, *, pretrained: bool = False, output_stride: int = FULL, indices: Sequence[int] | None = None
) -> Any:
    """timm's network, which returns the list of its feature maps, or of those at `indices`.

    Raises:
        ValueError: for a name unknown to timm, a network without feature maps or without that output stride, and
            weights that cannot be loaded.
    """
    timm = timm_library()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(f"timm has no network {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    options: dict[str, Any] = {} if indices is None else {"out_indices": tuple(indices)}
    if output_stride < FULL:  # some networks do not have this argument
        options["output_stride"] = output_stride
    try:
        return timm.create_model(name, features_only=True, pretrained=pretrained, **options)
    except Exception as error:  # timm has no common exception class
        if output_stride < FULL and isinstance(error, TypeError | AssertionError):  # no such argument, or it asserts 32
            raise no_output_stride(name, output_stride) from None
        lines = str(error).splitlines() or [type(error).__name__]
        what = "weights" if pretrained else "feature maps"
        raise ValueError(f"timm gives no {what} for {name!r}: {lines[0]}") from None


def no_output_stride(name: str, output_stride: int) -> ValueError:
    """The error for a network that cannot be dilated."""
    return ValueError(f"timm's {name!r} has no output_stride={output_stride}; set backbone.output_stride={FULL}")


class TimmFeatures(Backbone):
    """A network of timm for (N, 3, H, W) images, with its maps named c1…c5 by their reduction at full stride.

    Of several maps with the same reduction the last is used; a network that starts with patches of 4 has no c1. uint8
    images are normalised as the network's weights expect.

    Args:
        name: timm's, with or without the tag of the weights, such as "convnext_atto.d2_in1k".
        pretrained: download the weights of that tag (unless cached).
        output_stride: 8, 16 or 32. Strides beyond it become dilation, which not every network of timm supports.
        skip_strides: 0: timm's networks keep their strides.
        norm_momentum: of batch normalisation, as in PyTorch: the weight of the new batch; None for timm's own.

    Raises:
        ValueError: if timm is missing, see feature_network, for another skip_strides, or if the network takes only one
            image size, has reductions that are not powers of 2, or returns maps that differ from its description.
    """

    def __init__(
        self,
        *,
        name: str,
        pretrained: bool = False,
        output_stride: int = FULL,
        skip_strides: int = 0,
        norm_momentum: float | None = None,
    ) -> None:
        check_choice("output_stride", output_stride, (8, 16, FULL))
        if skip_strides:
            raise ValueError(
                f"timm's networks keep their strides: no skip_strides={skip_strides}; set backbone.skip_strides=0"
            )
        with torch.device("meta"):  # only for its description
            plain = feature_network(name)
        config = plain.pretrained_cfg
        if config.get("fixed_input_size"):
            height, width = config["input_size"][1:]
            raise ValueError(f"timm's {name!r} takes images of {height}×{width} only; a backbone has to take any size")
        network = feature_network(name, pretrained=pretrained, output_stride=output_stride)
        info, full = network.feature_info, plain.feature_info.reduction()
        if output_stride < FULL and info.reduction() != [min(reduction, output_stride) for reduction in full]:
            raise no_output_stride(name, output_stride)
        features: dict[str, Feature] = {}
        taps: dict[str, Tap] = {}
        maps = zip(info.out_indices, info.channels(), info.reduction(), full, strict=True)
        for index, channels, reduction, full_reduction in maps:
            level = full_reduction.bit_length() - 1
            if full_reduction != 2**level:
                raise ValueError(f"timm's {name!r} has a map of reduction {full_reduction}, which is no power of 2")
            if level:  # a map at image size is not a c-map
                features[f"c{level}"], taps[f"c{level}"] = Feature(channels, reduction), Tap(index)
        super().__init__([], features, taps, config["mean"], config["std"])
        self.name, self.output_stride, self.norm_momentum = name, output_stride, norm_momentum
        self.take(network, info.out_indices)
        self.check()

    def take(self, network: nn.Module, indices: Sequence[int]) -> None:
        """Use this network to compute the maps."""
        if self.norm_momentum is not None:
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = self.norm_momentum
        self.network, self.indices = network, tuple(indices)

    def check(self) -> None:
        """Compare the declared features with the maps of one small image.

        Raises:
            ValueError: if a map differs.
        """
        training, device = self.training, next(self.parameters()).device
        self.eval()
        with torch.no_grad():
            maps = self(torch.zeros(1, 3, 64, 64, device=device))
        self.train(training)
        for name, (channels, reduction, _) in self.features.items():
            shape, real = (1, channels, 64 // reduction, 64 // reduction), tuple(maps[name].shape)
            if real != shape:
                raise ValueError(f"timm's {self.name!r} gives {name} of shape {real} where it announces {shape}")

    def drop_layers(self) -> None:
        """Rebuild the network with only these maps: drops the layers that no tap needs, as far as timm does."""
        indices = sorted({tap.block for tap in self.taps.values()})
        with torch.device(next(self.parameters()).device):
            smaller = feature_network(self.name, output_stride=self.output_stride, indices=indices)
        last_stage = smaller.feature_info.info[indices[-1]].get("stage")
        if last_stage is not None:  # EfficientNet and its relatives always keep all stages
            smaller.blocks = smaller.blocks[:last_stage]
        state = self.network.state_dict()
        smaller.load_state_dict({name: state[name] for name in smaller.state_dict()})
        self.take(smaller.train(self.training), indices)

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, see Backbone."""
        maps = dict(zip(self.indices, self.network(x), strict=True))
        return {name: maps[tap.block] for name, tap in self.taps.items()}
