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


class Row(NamedTuple):
    """One line of table 1: `repeat` blocks, the first with the layout's stride."""

    factor: int  # of the expansion; CSE for the paper's block, which has none
    out: int
    repeat: int


class Layout(NamedTuple):
    """Stride of each row, and how many of the five strides of 2 are skipped from the start, the stem's among them."""

    strides: tuple[int, ...]
    skip_strides: int


class Variant(NamedTuple):
    """A network of the paper with its strides for each size of image.

    Attributes:
        stride: of its gated blocks, see MobileNetV2CSE.
    """

    rows: tuple[Row, ...]
    layouts: dict[str, Layout]
    stride: Stride = "after_gate"


CSE = 0
# fmt: off
MIX = (  # table 1, with the repeats of the author's code: only they give the published sizes
    #   t    c  n
    Row(1,  16, 1),
    Row(6,  24, 2),
    Row(6,  32, 3),
    Row(CSE,  64, 4),
    Row(CSE,  96, 3),
    Row(CSE, 160, 3),
    Row(CSE, 320, 1),
)
OPTIMIZED = (  # ours: table 1 with plain inverted residuals of its t = 2, repeated to fit 0.425M and 0.541M
    Row(1,  16, 1),
    Row(6,  24, 1),
    Row(6,  32, 2),
    Row(2,  64, 1),
    Row(2,  96, 4),
    Row(2, 160, 1),
    Row(2, 320, 1),
)
# fmt: on
CSE_ONLY = tuple(Row(CSE, out, 1) for out in (16, 24, 32, 64, 96, 160, 320))  # ours, to fit 0.228M and 0.453M
TABLE1 = tuple(row._replace(repeat=n) for row, n in zip(MIX, (1, 1, 2, 4, 3, 3, 1), strict=True))  # as it is printed
LAYOUTS = {
    "cifar": Layout((1, 2, 1, 2, 2, 1, 2), 2),  # table 1, for 32×32 images
    "imagenette": Layout((1, 2, 2, 2, 2, 1, 1), 1),  # for 224×224; not in the text, matches the published size
}
CSE_ONLY_LAYOUTS = {
    "cifar": Layout((2, 2, 2, 1, 1, 2, 1), 3),
    "imagenette": Layout((1, 2, 2, 2, 1, 2, 1), 0),  # MobileNetV2's
}
VARIANTS = {
    "mix": Variant(MIX, LAYOUTS),
    "optimized": Variant(OPTIMIZED, LAYOUTS),
    "cse_only": Variant(CSE_ONLY, CSE_ONLY_LAYOUTS, stride="before_gate"),
}
SMALL = 64  # pixels: up to this side, images have CIFAR's layout
ACTS: dict[str, Activation] = {"prelu": nn.PReLU, "relu6": ReLU6}


class MobileNetV2CSE(Backbone):
    """MobileNetV2 + CSE for (N, 3, resolution, resolution) images; c5 is a grouped 1×1 convolution to 1280 channels.

    The gates' layers read the map as one vector, so the network is tied to the size it was built for. A layout has five
    strides of 2, of which the first are skipped (skip_strides, see Stages), so that c5 has reduction 8 in the layout
    "cifar" (c1 and c2: 1, c3: 2, c4: 4) and 16 in "imagenette" (c1: 1).

    The defaults (cap 8) give the published sizes; cap=16, the text's cap, with stride "before_gate" is within 0.01 %,
    but not for Imagenette. Two more networks of the paper's tables cannot be told from its text. Those here are ours,
    the plainest that we found of the printed sizes:

    - "optimized" (0.425M for CIFAR-10, 0.541M for CIFAR-100) has inverted residuals of table 1's t = 2 in the place of
      the gated blocks, without gates: 425,498 and 540,788 parameters. Images may have any size.
    - "cse_only" (0.228M for CIFAR-10, 0.453M for Imagenette) has one gated block per row of MobileNetV2, the gate after
      the stride: 227,952 and 452,508 parameters. Its c5 has reduction 4 for CIFAR (c4: 2), 32 for Imagenette.

    Args:
        variant: "mix", "optimized" or "cse_only".
        layout: "cifar" or "imagenette": positions of the strides; None: CIFAR's up to 64 pixels.
        resolution: height and width of the images, a multiple of c5's reduction.
        adapt: accept images of any size, see SpatialGate.
        cap, cap_bound: of the width inside the gates, see SpatialGate.
        stride: position of the stride in a gated block of stride 2, see GatedResidual; None: the variant's.
        repeats: blocks in the first three rows of "mix": 1, 2, 3 in the author's code, 1, 1, 2 in table 1.
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
        variant: Literal["mix", "optimized", "cse_only"] = "mix",
        layout: Literal["cifar", "imagenette"] | None = None,
        resolution: int = 32,
        adapt: bool = False,
        cap: int = 8,
        cap_bound: Bound = "upper",
        stride: Stride | None = None,
        repeats: Literal["code", "table1"] = "code",
        shortcut: Shortcut = "always",
        act: Literal["prelu", "relu6"] = "prelu",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
        check_choice("variant", variant, tuple(VARIANTS))
        chosen = VARIANTS[variant]
        layout = "cifar" if layout is None and resolution <= SMALL else layout or "imagenette"
        stride = chosen.stride if stride is None else stride
        check_choice("layout", layout, tuple(chosen.layouts))
        check_choice("cap_bound", cap_bound, ("upper", "lower"))
        check_choice("stride", stride, ("after_gate", "before_gate", "depthwise"))
        check_choice("repeats", repeats, ("code", "table1"))
        check_choice("shortcut", shortcut, ("always", "stride_1", "same_shape"))
        check_choice("act", act, tuple(ACTS))
        strides, skip_strides = chosen.layouts[layout]
        reduction = 2 ** (5 - skip_strides)
        if resolution < reduction or resolution % reduction:
            raise ValueError(f"resolution={resolution} is not a multiple of {reduction}, layout {layout!r}'s reduction")
        if cap < 1:
            raise ValueError(f"cap={cap} leaves the gates no width; it must be 1 or more")
        if variant != "mix" and repeats != "code":
            raise ValueError(f"repeats={repeats} is for variant=mix; {variant} has its own")
        rows = TABLE1 if repeats == "table1" else chosen.rows
        stages = Stages(skip_strides=skip_strides)
        norm = partial(nn.BatchNorm2d, eps=norm_eps, momentum=norm_momentum)
        stages.add_stem(32, act=ReLU6, norm=norm)
        channels = 32
        for row, row_stride in zip(rows, strides, strict=True):
            for number in range(row.repeat):
                size = resolution // stages.reduction
                step = stages.step(row_stride if number == 0 else 1)
                stages.announce(f"c{stages.level}", row.out)
                stages.add(
                    GatedResidual(
                        channels, row.out, size, stride=step.stride, stride_place=stride, cap=cap, cap_bound=cap_bound,
                        shortcut=shortcut, act=ACTS[act], norm=norm,
                    ) if row.factor == CSE else ShortcutInvertedResidual(
                        channels, row.factor * channels, row.out, stride=step.stride, shortcut=shortcut, norm=norm
                    )
                )  # fmt: skip
                channels = row.out
        stages.announce("c5", 1280)
        stages.add(ConvNormAct(320, 1280, groups=320, act=ReLU6, norm=norm))
        super().__init__(stages.modules, stages.features, stages.taps)
        self.resolution, self.reduction = resolution, reduction
        self.adapt = adapt or not any(row.factor == CSE for row in chosen.rows)
        initialise(self)
        for module in self.modules():
            if isinstance(module, GatedResidual) and isinstance(module.halve, nn.Conv2d):
                nn.init.kaiming_normal_(module.halve.weight, nonlinearity="linear")  # no normalisation follows

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """Feature maps by name, see Backbone."""
        height, width = x.shape[-2:]
        if not self.adapt and (height, width) != (self.resolution, self.resolution):
            other = f"image_size=[{self.resolution},{self.resolution}]"
            if height == width and height % self.reduction == 0:
                other = f"backbone.resolution={height} (a multiple of {self.reduction})"
            raise ImageSizeError(
                f"images are {height}×{width}, the network was built for {self.resolution}×{self.resolution}: "
                f"train with {other}, or with backbone.adapt=true"
            )
        return super().maps(x)
