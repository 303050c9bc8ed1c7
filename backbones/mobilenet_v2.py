"""MobileNetV2: Inverted Residuals and Linear Bottlenecks (Sandler et al., CVPR 2018), table 2."""

from typing import Literal, NamedTuple

from backbones.blocks import ReLU6, make_divisible
from backbones.inverted import Block, InvertedBackbone, Plan, Shortcut, Tail
from backbones.stages import DilationRule, check_choice


class Row(NamedTuple):
    """One line of the paper's table 2: `repeat` inverted residuals, the first with the stride."""

    factor: int
    out: int
    repeat: int
    stride: int


# fmt: off
ROWS = (  # table 2
    #   t    c  n  s
    Row(1,  16, 1, 1),
    Row(6,  24, 2, 2),
    Row(6,  32, 3, 2),
    Row(6,  64, 4, 2),
    Row(6,  96, 3, 1),
    Row(6, 160, 3, 2),
    Row(6, 320, 1, 1),
)
# fmt: on


class MobileNetV2(InvertedBackbone):
    """MobileNetV2 for (N, 3, H, W) images; c5 has 1280 channels, c5_bottleneck the 320 that segmentation reads.

    Args:
        width: multiplies the channels.
        thin_last: whether the last convolution shrinks below 1280 too; not in classification (paper, section 4), but in
            the detection networks of V3's table 6.
        output_stride, skip_strides, dilation_rule: see Stages.
        tail: "segmentation" halves the last two rows (160, 320) as in MobileNetV3's paper for its RF2 (table 7).
        bottleneck: "linear", or "relu6" after every projection (figure 6a).
        shortcut: between bottlenecks, between expansions, or none (figure 6b).
        norm_eps: 1e-5 as in torchvision's weights.
        norm_momentum: as in PyTorch: the weight of the new batch.

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        thin_last: bool = False,
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        tail: Tail = "full",
        bottleneck: Literal["linear", "relu6"] = "linear",
        shortcut: Shortcut = "bottleneck",
        norm_eps: float = 1e-5,
        norm_momentum: float = 0.1,
    ) -> None:
        check_choice("bottleneck", bottleneck, ("linear", "relu6"))
        check_choice("tail", tail, ("full", "segmentation"))
        rows = ROWS if tail == "full" else (*ROWS[:-2], *(row._replace(out=row.out // 2) for row in ROWS[-2:]))
        channels = stem = make_divisible(32 * width)
        blocks = []
        for row in rows:
            out = make_divisible(row.out * width)
            for repeat in range(row.repeat):
                stride = row.stride if repeat == 0 else 1
                blocks.append(Block(3, row.factor * channels, out, 0, ReLU6, stride))
                channels = out
        plan = Plan(
            stem=stem,
            blocks=tuple(blocks),
            last=make_divisible(1280 * (width if thin_last else max(1.0, width))),
            hidden=None,
            act=ReLU6,
            norm_eps=norm_eps,
            norm_momentum=norm_momentum,
            announce_bottleneck=True,
            bottleneck_act=ReLU6 if bottleneck == "relu6" else None,
            shortcut=shortcut,
        )
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
