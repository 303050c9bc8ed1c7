"""MobileNetV2 with channel-wise squeeze-and-excite.

Further Optimize MobileNetV2 with Channel-wise Squeeze and Excitation (Park, KIBME 2021), table 1. Text, table and the
author's later code contradict each other; the defaults give the published sizes, the options cover the rest.
"""

from functools import partial
from typing import Literal, NamedTuple

from torch import Tensor, nn

from backbones.base import Backbone
from backbones.blocks import Activation, ConvNormAct, ReLU6
from backbones.cse import Bound, GatedResidual, Shortcut, ShortcutInvertedResidual, Stride
from backbones.errors import ImageSizeError
from backbones.inverted import initialise
from backbones.stages import Stages, check_choice


class Layout(NamedTuple):
    """Strides of the seven rows, four of them 2 besides the stem's, and how many strides are skipped from the start."""

    strides: tuple[int, ...]
    skip_strides: int


LAYOUTS = {
    "cifar": Layout((1, 2, 1, 2, 2, 1, 2), 2),  # table 1, for 32×32 images
    "imagenette": Layout((1, 2, 2, 2, 2, 1, 1), 1),  # for 224×224; not in the text, matches the published size
}
INVERTED = ((1, 16), (6, 24), (6, 32))  # rows 1 to 3 of table 1: factor, out
REPEATS = {"code": (1, 2, 3), "table1": (1, 1, 2)}  # of the above; only the code's give the published sizes
SPATIAL = ((64, 4), (96, 3), (160, 3), (320, 1))  # rows 4 to 7: out, repeat
ACTS: dict[str, Activation] = {"prelu": nn.PReLU, "relu6": ReLU6}


class MobileNetV2CSE(Backbone):
    """MobileNetV2 + CSE for (N, 3, resolution, resolution) images; c5 is a grouped 1×1 convolution to 1280 channels.

    The gates' layers read the map as one vector, so the network is tied to the size it was built for. A layout has five
    strides of 2, of which the first are skipped (skip_strides, see Stages), so that c5 has reduction 8 in the layout
    "cifar" (c1 and c2: 1, c3: 2, c4: 4) and 16 in "imagenette" (c1: 1).

    The defaults (cap 8) give the published sizes; cap=16, the text's cap, with stride "before_gate" is within 0.01 %,
    but not for Imagenette.

    Args:
        layout: "cifar" or "imagenette": positions of the strides.
        resolution: height and width of the images, a multiple of c5's reduction.
        adapt: accept images of any size, see SpatialGate.
        cap, cap_bound: of the width inside the gates, see SpatialGate.
        stride: position of the stride in a gated block of stride 2, see GatedResidual.
        repeats: blocks in the first three rows: 1, 2, 3 in the author's code, 1, 1, 2 in table 1.
        shortcut: "always" (a 1×1 convolution if channels differ; an inverted residual of stride 2 still has none),
            "stride_1": not around a stride of 2, "same_shape": without any convolution, as in MobileNetV2.
        act: of the gated blocks, "prelu" (one slope for all channels) or "relu6".
        norm_eps: 1e-5, PyTorch's.
        norm_momentum: as in PyTorch: the weight of the new batch.

    Raises:
        ValueError: for an unknown choice; in forward, for images of another size unless it adapts.
    """

    def __init__(
        self,
        *,
        layout: Literal["cifar", "imagenette"] = "cifar",
        resolution: int = 32,
        adapt: bool = False,
        cap: int = 8,
        cap_bound: Bound = "upper",
        stride: Stride = "after_gate",
        repeats: Literal["code", "table1"] = "code",
        shortcut: Shortcut = "always",
        act: Literal["prelu", "relu6"] = "prelu",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
        check_choice("layout", layout, tuple(LAYOUTS))
        check_choice("cap_bound", cap_bound, ("upper", "lower"))
        check_choice("stride", stride, ("after_gate", "before_gate", "depthwise"))
        check_choice("repeats", repeats, tuple(REPEATS))
        check_choice("shortcut", shortcut, ("always", "stride_1", "same_shape"))
        check_choice("act", act, tuple(ACTS))
        strides, skip_strides = LAYOUTS[layout]
        reduction = 2 ** (5 - skip_strides)
        if resolution < reduction or resolution % reduction:
            raise ValueError(f"resolution={resolution} is not a multiple of {reduction}, layout {layout!r}'s reduction")
        if cap < 1:
            raise ValueError(f"cap={cap} leaves the gates no width; it must be 1 or more")
        stages = Stages(skip_strides=skip_strides)
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        stages.add_stem(32, act=ReLU6, norm=norm)
        channels = 32
        for (factor, out), repeat, row_stride in zip(INVERTED, REPEATS[repeats], strides[:3], strict=True):
            for number in range(repeat):
                step = stages.step(row_stride if number == 0 else 1)
                stages.announce(f"c{stages.level}", out)
                stages.add(
                    ShortcutInvertedResidual(
                        channels, factor * channels, out, stride=step.stride, shortcut=shortcut, norm=norm
                    )
                )
                channels = out
        for (out, repeat), row_stride in zip(SPATIAL, strides[3:], strict=True):
            for number in range(repeat):
                size = resolution // stages.reduction
                step = stages.step(row_stride if number == 0 else 1)
                stages.announce(f"c{stages.level}", out)
                stages.add(
                    GatedResidual(
                        channels, out, size, stride=step.stride, stride_place=stride, cap=cap, cap_bound=cap_bound,
                        shortcut=shortcut, act=ACTS[act], norm=norm,
                    )
                )  # fmt: skip
                channels = out
        stages.announce("c5", 1280)
        stages.add(ConvNormAct(320, 1280, groups=320, act=ReLU6, norm=norm))
        super().__init__(stages.modules, stages.features, stages.taps)
        self.resolution, self.adapt = resolution, adapt
        initialise(self)
        for module in self.modules():
            if isinstance(module, GatedResidual) and isinstance(module.halve, nn.Conv2d):
                nn.init.kaiming_normal_(module.halve.weight, nonlinearity="linear")  # no normalisation follows

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, see Backbone."""
        height, width = x.shape[-2:]
        if not self.adapt and (height, width) != (self.resolution, self.resolution):
            raise ImageSizeError(
                f"images are {height}×{width}, the network was built for {self.resolution}×{self.resolution}; "
                "set resolution, or adapt=true"
            )
        return super().maps(x)
