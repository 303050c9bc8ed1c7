"""EfficientNet-Lite0: the authors' EfficientNet for mobile CPUs, GPUs and the Edge TPU (Liu, TensorFlow blog, 2020).

EfficientNet-B0 (Tan and Le, ICML 2019, table 1) without squeeze-and-excite and with ReLU6 instead of swish.
"""

from typing import NamedTuple

from backbones.blocks import ReLU6, make_divisible
from backbones.inverted import Block, InvertedBackbone, Plan
from backbones.stages import DilationRule


class Row(NamedTuple):
    """One line of table 1: `repeat` inverted residuals, the first with the stride."""

    factor: int
    kernel: int
    out: int
    repeat: int
    stride: int


# fmt: off
ROWS = (  # Tan and Le, table 1
    #   t  k    c  n  s
    Row(1, 3,  16, 1, 1),
    Row(6, 3,  24, 2, 2),
    Row(6, 5,  40, 2, 2),
    Row(6, 3,  80, 3, 2),
    Row(6, 5, 112, 3, 1),
    Row(6, 5, 192, 4, 2),
    Row(6, 3, 320, 1, 1),
)
# fmt: on


class EfficientNetLite0(InvertedBackbone):
    """EfficientNet-Lite0 for (N, 3, H, W) images; c5 has 1280 channels, c5_bottleneck 320.

    Args:
        width: multiplies the channels, except the stem's 32 and the last 1280, which all of the family share.
        output_stride, skip_strides, dilation_rule: see Stages.
        norm_eps: 1e-3 as in the authors' code; timm's own weights (not the converted ones) need 1e-5.
        norm_momentum: as in PyTorch: the weight of the new batch; 0.01 as in the authors' code.

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        width: float = 1.0,
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
    ) -> None:
        channels = stem = 32
        blocks = []
        for row in ROWS:
            out = make_divisible(row.out * width)
            for repeat in range(row.repeat):
                stride = row.stride if repeat == 0 else 1
                blocks.append(Block(row.kernel, row.factor * channels, out, 0, ReLU6, stride))
                channels = out
        plan = Plan(
            stem=stem,
            blocks=tuple(blocks),
            last=1280,
            hidden=None,
            act=ReLU6,
            norm_eps=norm_eps,
            norm_momentum=norm_momentum,
            announce_bottleneck=True,
        )
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
