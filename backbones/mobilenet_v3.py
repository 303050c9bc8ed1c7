"""Searching for MobileNetV3 (Howard et al., ICCV 2019), tables 1 and 2."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from backbones.base import Hidden
from backbones.blocks import Activation, HardSwish, ReLU, make_divisible
from backbones.inverted import Block, InvertedBackbone, Normalisation, Plan, Tail, WidthRule
from backbones.stages import DilationRule, check_choice


class Row(NamedTuple):
    """One line of the paper's table 1 or 2."""

    kernel: int
    expanded: int
    out: int
    excite: bool
    act: Activation
    stride: int


RE, HS = ReLU, HardSwish
STEM = 16
# fmt: off
LARGE = (  # table 1
    #   k  exp  out   SE   NL  s
    Row(3,  16,  16, False, RE, 1),
    Row(3,  64,  24, False, RE, 2),
    Row(3,  72,  24, False, RE, 1),
    Row(5,  72,  40, True,  RE, 2),
    Row(5, 120,  40, True,  RE, 1),
    Row(5, 120,  40, True,  RE, 1),
    Row(3, 240,  80, False, HS, 2),
    Row(3, 200,  80, False, HS, 1),
    Row(3, 184,  80, False, HS, 1),
    Row(3, 184,  80, False, HS, 1),
    Row(3, 480, 112, True,  HS, 1),
    Row(3, 672, 112, True,  HS, 1),
    Row(5, 672, 160, True,  HS, 2),
    Row(5, 960, 160, True,  HS, 1),
    Row(5, 960, 160, True,  HS, 1),
)
SMALL = (  # table 2; its SE on the last 1×1 convolution is in no released network
    Row(3,  16,  16, True,  RE, 2),
    Row(3,  72,  24, False, RE, 2),
    Row(3,  88,  24, False, RE, 1),
    Row(5,  96,  40, True,  HS, 2),
    Row(5, 240,  40, True,  HS, 1),
    Row(5, 240,  40, True,  HS, 1),
    Row(5, 120,  48, True,  HS, 1),
    Row(5, 144,  48, True,  HS, 1),
    Row(5, 288,  96, True,  HS, 2),
    Row(5, 576,  96, True,  HS, 1),
    Row(5, 576,  96, True,  HS, 1),
)
# fmt: on


def halved(rows: Sequence[Row], tail: Tail) -> tuple[Row, ...]:
    """The last three rows with half the channels; "segmentation" halves the first expansion as well."""
    if tail == "full":
        return tuple(rows)
    *kept, first, second, third = rows
    first = first._replace(out=first.out // 2)
    if tail == "segmentation":
        first = first._replace(expanded=first.expanded // 2)
    return (*kept, first, *(row._replace(expanded=row.expanded // 2, out=row.out // 2) for row in (second, third)))


class Table(NamedTuple):
    """A whole network: its rows, the channels of its last convolution and of the layer behind the pooling."""

    rows: tuple[Row, ...]
    last: int
    hidden: int
    hidden_grows: bool  # above width 1.0; the paper's 7.5M (Large 1.25) and 3.6M (Small 1.25) tell which does


TABLES = {"large": Table(LARGE, 960, 1280, False), "small": Table(SMALL, 576, 1024, True)}


class MobileNetV3(InvertedBackbone):
    """MobileNetV3-Large or -Small for (N, 3, H, W) images.

    Args:
        size: "large" (table 1) or "small" (table 2).
        width: multiplies the channels.
        width_rule: "paper" (TensorFlow's code) scales an expansion as factor × scaled input and does not shrink the
            layer behind the pooling; "torchvision" scales both, which makes other networks below 1.0.
        output_stride, skip_strides, dilation_rule: see Stages.
        tail: "segmentation" halves the last stage's channels and its first expansion (RF2, section 6.4);
            "detection" leaves that expansion, C4, as it is (table 6, rows with a dagger; torchvision's reduced tail).
        minimalistic: the authors' variant without squeeze-and-excite, hard-swish and 5×5 kernels.
        activation: "paper" has hard-swish in the second half, "hard_swish" everywhere, "relu" nowhere (table 5).
        excite: whether there are squeeze-and-excites; each has a quarter of the expansion inside (section 5.3).
        last_stage: "efficient", or "original" with one more inverted residual and the 1280 channels before the pooling
            (figure 5; for Small by the same rule).
        norm_eps: 1e-3 as in the paper's code and torchvision's weights.
        norm_momentum: in PyTorch's sense: the weight of the new batch.
        normalisation: of uint8 images: "imagenet", or "half": 0-255 to -1-1, as torchvision's SSDLite has it.

    Raises:
        ValueError: for an unknown choice.
    """

    def __init__(
        self,
        *,
        size: Literal["large", "small"],
        width: float = 1.0,
        width_rule: WidthRule = "paper",
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        tail: Tail = "full",
        minimalistic: bool = False,
        activation: Literal["paper", "hard_swish", "relu"] = "paper",
        excite: bool = True,
        last_stage: Literal["efficient", "original"] = "efficient",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
        normalisation: Normalisation = "imagenet",
    ) -> None:
        check_choice("size", size, tuple(TABLES))
        check_choice("width_rule", width_rule, ("paper", "torchvision"))
        check_choice("tail", tail, ("full", "segmentation", "detection"))
        check_choice("activation", activation, ("paper", "hard_swish", "relu"))
        check_choice("last_stage", last_stage, ("efficient", "original"))
        if minimalistic and activation == "hard_swish":
            raise ValueError("minimalistic=true has no hard-swish; leave activation=paper")
        if last_stage == "original" and tail != "full":
            raise ValueError(f"last_stage=original has no halved channels: tail={tail} must be full")
        rows, last, hidden, hidden_grows = TABLES[size]
        if last_stage == "original":
            rows = (*rows, Row(3, last, 2 * rows[-1].out, False, HS, 1))
            last, hidden = hidden, 0
        if minimalistic:
            rows = tuple(row._replace(kernel=3, excite=False, act=RE) for row in rows)
        if activation != "paper":
            rows = tuple(row._replace(act=HS if activation == "hard_swish" else RE) for row in rows)
        if not excite:
            rows = tuple(row._replace(excite=False) for row in rows)
        paper = width_rule == "paper"
        if tail != "full":
            last, hidden = last // 2, hidden if paper else hidden // 2
        in_table, channels = STEM, make_divisible(STEM * width)
        blocks = []
        for row in halved(rows, tail):
            expanded = make_divisible(row.expanded / in_table * channels if paper else row.expanded * width)
            excite_hidden = make_divisible(expanded // 4) if row.excite else 0
            in_table, channels = row.out, make_divisible(row.out * width)
            blocks.append(Block(row.kernel, expanded, channels, excite_hidden, row.act, row.stride))
        last_channels = make_divisible(last * width) if paper or last_stage == "original" else 6 * channels
        act, grows = RE if minimalistic or activation == "relu" else HS, width if hidden_grows else 1.0
        plan = Plan(
            stem=make_divisible(STEM * width),
            blocks=tuple(blocks),
            last=last_channels,
            hidden=Hidden(make_divisible(hidden * (max(1.0, grows) if paper else width)), act) if hidden else None,
            act=act,
            norm_eps=norm_eps,
            norm_momentum=norm_momentum,
            announce_bottleneck=last_stage == "original",
            normalisation=normalisation,
        )
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)
