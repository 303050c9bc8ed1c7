"""Searching for MobileNetV3 (Howard et al., ICCV 2019), tables 1 and 2."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from backbones.base import Hidden
from backbones.blocks import Activation, HardSwish, ReLU, make_divisible
from backbones.inverted import Block, InvertedBackbone, Normalisation, Plan, Tail, WidthRule
from backbones.stages import DilationRule, check_choice

ExciteWidth = Literal["expansion", "bottleneck"]


class Row(NamedTuple):
    """One line of the paper's table 1 or 2."""

    kernel: int
    expanded: int
    out: int
    excite: bool
    act: Activation
    stride: int


RE, HS = ReLU, HardSwish
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
SMALL = (  # its SE on the last 1×1 convolution is in no released network
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


class Table(NamedTuple):
    """A whole network.

    Attributes:
        rows: its inverted residuals.
        last: channels of the last convolution.
        hidden: channels of the layer after the pooling; 0 for none.
        hidden_grows: whether those grow above width 1.0; the paper's 7.5M (Large 1.25) and 3.6M (Small 1.25) show it.
        act: of the stem, the last convolution and the hidden layer.
        stem: channels of the first convolution.
        excite_width: a quarter of which channels the squeeze-and-excite has inside: the block's "expansion" (section
            5.3), or its input, the "bottleneck", as in MnasNet.
    """

    rows: tuple[Row, ...]
    last: int
    hidden: int
    hidden_grows: bool
    act: Activation = HS
    stem: int = 16
    excite_width: ExciteWidth = "expansion"


TABLES = {"large": Table(LARGE, 960, 1280, False), "small": Table(SMALL, 576, 1024, True)}


class MobileNetV3(InvertedBackbone):
    """MobileNetV3-Large or -Small for (N, 3, H, W) images; for its ablations see mobilenet_v3_variants.

    Args:
        size: "large" (table 1) or "small" (table 2).
        width: multiplies the channels.
        width_rule, tail: see plan_of.
        output_stride, skip_strides, dilation_rule: see Stages.
        norm_eps: 1e-3 as in the paper's code and torchvision's weights.
        norm_momentum: as in PyTorch: the weight of the new batch.
        normalisation: of uint8 images: "imagenet", or "half": 0-255 to -1-1, as in torchvision's SSDLite.

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
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
        normalisation: Normalisation = "imagenet",
    ) -> None:
        check_choice("size", size, tuple(TABLES))
        plan = plan_of(TABLES[size], width, width_rule, tail, norm_eps, norm_momentum, normalisation)
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)


def plan_of(
    table: Table,
    width: float,
    width_rule: WidthRule,
    tail: Tail,
    norm_eps: float,
    norm_momentum: float,
    normalisation: Normalisation,
) -> Plan:
    """A table at a width, with its final numbers of channels.

    Args:
        width_rule: "paper" (TensorFlow's code) scales an expansion as factor × scaled input and does not shrink the
            layer after the pooling; "torchvision" scales both, which gives different networks below 1.0.
        tail: "segmentation" halves the last stage's channels and its first expansion (RF2, section 6.4);
            "detection" keeps that expansion, C4 (table 6, rows with a dagger; torchvision's reduced tail).

    Raises:
        ValueError: for an unknown choice.
    """
    check_choice("width_rule", width_rule, ("paper", "torchvision"))
    check_choice("tail", tail, ("full", "segmentation", "detection"))
    paper = width_rule == "paper"
    last, hidden = table.last, table.hidden
    if tail != "full":
        last, hidden = last // 2, hidden if paper else hidden // 2
    in_table, channels = table.stem, make_divisible(table.stem * width)
    blocks = []
    for row in halved(table.rows, tail):
        expanded = make_divisible(row.expanded / in_table * channels if paper else row.expanded * width)
        inside = make_divisible(expanded // 4) if table.excite_width == "expansion" else max(1, channels // 4)
        in_table, channels = row.out, make_divisible(row.out * width)
        blocks.append(Block(row.kernel, expanded, channels, inside if row.excite else 0, row.act, row.stride))
    hidden_width = max(1.0, width if table.hidden_grows else 1.0) if paper else width
    return Plan(
        stem=make_divisible(table.stem * width),
        blocks=tuple(blocks),
        last=make_divisible(last * width) if paper or not hidden else 6 * channels,
        hidden=Hidden(make_divisible(hidden * hidden_width), table.act) if hidden else None,
        act=table.act,
        norm_eps=norm_eps,
        norm_momentum=norm_momentum,
        announce_bottleneck=not hidden,
        normalisation=normalisation,
    )


def halved(rows: Sequence[Row], tail: Tail) -> tuple[Row, ...]:
    """The last three rows with half the channels; "segmentation" halves the first expansion as well."""
    if tail == "full":
        return tuple(rows)
    *kept, first, second, third = rows
    first = first._replace(out=first.out // 2)
    if tail == "segmentation":
        first = first._replace(expanded=first.expanded // 2)
    return (*kept, first, *(row._replace(expanded=row.expanded // 2, out=row.out // 2) for row in (second, third)))
