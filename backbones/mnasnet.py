"""MnasNet: Platform-Aware Neural Architecture Search for Mobile (Tan et al., CVPR 2019), figure 7."""

from typing import Literal, NamedTuple

from torch import nn

from backbones.blocks import ReLU, make_divisible
from backbones.inverted import Block, InvertedBackbone, Plan
from backbones.stages import DilationRule, check_choice


class Row(NamedTuple):
    """One box of the figure: `repeat` inverted residuals, the first with the stride."""

    factor: int
    kernel: int
    out: int
    repeat: int
    stride: int
    excite: bool = False


# fmt: off
A1 = (  # figure 7a
    #   t  k    c  n  s  SE
    Row(1, 3,  16, 1, 1),
    Row(6, 3,  24, 2, 2),
    Row(3, 5,  40, 3, 2, True),
    Row(6, 3,  80, 4, 2),
    Row(6, 3, 112, 2, 1, True),
    Row(6, 5, 160, 3, 2, True),
    Row(6, 3, 320, 1, 1),
)
B1 = (  # the result of the same search without squeeze-and-excite
    Row(1, 3,  16, 1, 1),
    Row(3, 3,  24, 3, 2),
    Row(3, 5,  40, 3, 2),
    Row(6, 5,  80, 3, 2),
    Row(6, 3,  96, 2, 1),
    Row(6, 5, 192, 4, 2),
    Row(6, 3, 320, 1, 1),
)
# fmt: on
VARIANTS = {"a1": A1, "b1": B1}


class MNASNet(InvertedBackbone):
    """MnasNet-A1 or -B1 for (N, 3, H, W) images; its c5 has 1280 channels, c5_bottleneck 320.

    Args:
        variant: "a1" has squeeze-and-excite (a quarter of the block's input channels, sigmoid); "b1" has none.
        width: multiplies the channels, except the 1280 of the last convolution.
        output_stride, skip_strides, dilation_rule: see Stages.
        norm_eps: 1e-3 as in the authors' code; torchvision's weights of B1 need 1e-5.
        norm_momentum: as in PyTorch: the weight of the new batch; 0.01 as in the authors' code (torchvision's 0.0003
            takes tens of thousands of steps to forget the first ones).

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        variant: Literal["a1", "b1"],
        width: float = 1.0,
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
    ) -> None:
        check_choice("variant", variant, tuple(VARIANTS))
        channels = stem = make_divisible(32 * width)
        blocks = []
        for row in VARIANTS[variant]:
            out = make_divisible(row.out * width)
            for repeat in range(row.repeat):
                stride = row.stride if repeat == 0 else 1
                hidden = max(1, channels // 4) if row.excite else 0
                blocks.append(Block(row.kernel, row.factor * channels, out, hidden, ReLU, stride, nn.Sigmoid))
                channels = out
        plan = Plan(
            stem=stem,
            blocks=tuple(blocks),
            last=1280,
            hidden=None,
            act=ReLU,
            norm_eps=norm_eps,
            norm_momentum=norm_momentum,
            announce_bottleneck=True,
        )
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
