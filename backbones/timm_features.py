"""Any convolutional network of timm (https://github.com/huggingface/pytorch-image-models) as a backbone."""

import difflib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from backbones.base import Backbone, Feature, Tap
from backbones.stages import check_choice

FULL = 32  # the output stride that timm's networks have by themselves


def timm_library() -> Any:
    """The package, imported only when a network of it is built.

    Raises:
        ValueError: if it is not installed.
    """
    try:
        import timm
    except ImportError:  # from None, here and below: the commands print an error's first cause
        raise ValueError('backbone=timm needs: pip install "mobilevision[timm]"') from None
    return timm


def feature_network(
    name: str, *, pretrained: bool = False, output_stride: int = FULL, indices: Sequence[int] | None = None
) -> Any:
    """timm's network, giving the list of its feature maps, or of those at `indices`.

    Raises:
        ValueError: for a name timm does not have, for a network without feature maps or without that output stride,
            for weights that do not come.
    """
    timm = timm_library()
    if not timm.is_model(name):
        near = difflib.get_close_matches(name, timm.list_models(), n=3, cutoff=0.5)
        raise ValueError(f"timm has no network {name!r}" + (f"; did you mean {' or '.join(near)}?" if near else ""))
    options: dict[str, Any] = {} if indices is None else {"out_indices": tuple(indices)}
    if output_stride < FULL:  # some networks do not know the word
        options["output_stride"] = output_stride
    try:
        return timm.create_model(name, features_only=True, pretrained=pretrained, **options)
    except Exception as error:  # timm has no common class of its refusals
        if output_stride < FULL and isinstance(error, TypeError | AssertionError):  # it does not know it, or asserts 32
            raise no_output_stride(name, output_stride) from None
        lines = str(error).splitlines() or [type(error).__name__]
        what = "weights" if pretrained else "feature maps"
        raise ValueError(f"timm gives no {what} for {name!r}: {lines[0]}") from None


def no_output_stride(name: str, output_stride: int) -> ValueError:
    """The error for a network that cannot be dilated."""
    return ValueError(f"timm's {name!r} has no output_stride={output_stride}; set backbone.output_stride={FULL}")


class TimmFeatures(Backbone):
    """A network of timm for (N, 3, H, W) images, with its maps named c1…c5 by their reduction at full stride.

    Of several maps with one such reduction the last is taken; a network that starts by patches of 4 has no c1. uint8
    images are normalised as the network's own weights expect it.

    Args:
        name: timm's, with or without the tag of the weights, such as "convnext_atto.d2_in1k".
        pretrained: download the weights of that tag (unless they are in the cache).
        output_stride: 8, 16 or 32. Strides beyond it become dilation, which not every network of timm can do.
        skip_strides: 0: timm's networks keep their strides.
        norm_momentum: of batch normalisation, in PyTorch's sense: the weight of the new batch; None for timm's own.

    Raises:
        ValueError: if timm is missing, see feature_network, for another skip_strides, or if the network takes one
            image size only, has reductions that are no powers of 2, or gives maps that differ from what it announces.
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
        with torch.device("meta"):  # only for what it says of itself
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
            if level:  # a map of the images' own size is no c-map
                features[f"c{level}"], taps[f"c{level}"] = Feature(channels, reduction), Tap(index)
        super().__init__([], features, taps, config["mean"], config["std"])
        self.name, self.output_stride, self.norm_momentum = name, output_stride, norm_momentum
        self.take(network, info.out_indices)
        self.check()

    def take(self, network: nn.Module, indices: Sequence[int]) -> None:
        """Make this the network whose maps are computed."""
        if self.norm_momentum is not None:
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.momentum = self.norm_momentum
        self.network, self.indices = network, tuple(indices)

    def check(self) -> None:
        """Compare what is announced with the maps of one small image.

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
        """Build the network again with these maps alone: the layers that no tap needs go, as far as timm drops them."""
        indices = sorted({tap.block for tap in self.taps.values()})
        with torch.device(next(self.parameters()).device):
            smaller = feature_network(self.name, output_stride=self.output_stride, indices=indices)
        last_stage = smaller.feature_info.info[indices[-1]].get("stage")
        if last_stage is not None:  # EfficientNet and its kin keep all stages, whatever is asked for
            smaller.blocks = smaller.blocks[:last_stage]
        state = self.network.state_dict()
        smaller.load_state_dict({name: state[name] for name in smaller.state_dict()})
        self.take(smaller.train(self.training), indices)

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, see Backbone."""
        maps = dict(zip(self.indices, self.network(x), strict=True))
        return {name: maps[tap.block] for name, tap in self.taps.items()}
