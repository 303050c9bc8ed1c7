"""MobileNetV3 with its paper's ablations (sections 5 and 6.1, table 5), and the authors' minimalistic networks."""

from typing import Literal

from backbones.blocks import Activation, Swish
from backbones.inverted import InvertedBackbone, Normalisation, Tail, WidthRule
from backbones.mobilenet_v3 import HS, RE, TABLES, ExciteWidth, Row, Table, plan_of
from backbones.stages import DilationRule, check_choice

SWISHES: dict[str, Activation] = {"hard_swish": HS, "swish": Swish}


class MobileNetV3(InvertedBackbone):
    """MobileNetV3-Large or -Small, or one of their variants, for (N, 3, H, W) images. This is the class conf/ uses.

    Args:
        minimalistic: the authors' variant without squeeze-and-excite, hard-swish and 5×5 kernels.
        activation: where the network has which non-linearity, see with_activation.
        excite: whether to use squeeze-and-excite.
        excite_width: "expansion": a quarter of the expansion's channels (section 5.3); "bottleneck": a quarter of the
            block's input's, the rule of MnasNet that it replaced.
        stem: 16, or 32 filters in the first convolution (section 5.1); the first block's depthwise convolution follows.
        last_stage: "efficient", or "original" with one more inverted residual and the 1280 channels before the pooling
            (figure 5; for Small by the same rule).
        The others are those of mobilenet_v3.MobileNetV3.

    Raises:
        ValueError: for an unknown choice, or two that are incompatible.
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
        activation: str = "paper",
        excite: bool = True,
        excite_width: ExciteWidth = "expansion",
        stem: Literal[16, 32] = 16,
        last_stage: Literal["efficient", "original"] = "efficient",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
        normalisation: Normalisation = "imagenet",
    ) -> None:
        check_choice("size", size, tuple(TABLES))
        check_choice("activation", activation, activations(TABLES[size]))
        check_choice("excite_width", excite_width, ("expansion", "bottleneck"))
        check_choice("stem", stem, (16, 32))
        check_choice("last_stage", last_stage, ("efficient", "original"))
        if minimalistic and activation not in ("paper", "relu"):
            raise ValueError("minimalistic=true has no hard-swish or swish; leave activation=paper")
        if last_stage == "original" and tail != "full":
            raise ValueError(f"last_stage=original has no halved channels: tail={tail} must be full")
        table = TABLES[size]._replace(excite_width=excite_width)
        if last_stage == "original":
            table = with_original_last_stage(table)
        if stem != table.stem:
            table = with_stem(table, stem)
        table = minimal(table) if minimalistic else with_activation(table, activation)
        if not excite:
            table = table._replace(rows=tuple(row._replace(excite=False) for row in table.rows))
        plan = plan_of(table, width, width_rule, tail, norm_eps, norm_momentum, normalisation)
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)


def activations(table: Table) -> tuple[str, ...]:
    """The choices of activation: a swish may begin at any number of channels that the table has."""
    starts = sorted({row.out for row in table.rows})
    return ("paper", "relu", *SWISHES, *(f"{name}@{start}" for name in SWISHES for start in starts))


def with_activation(table: Table, activation: str) -> Table:
    """Choose the non-linearities.

    Args:
        activation: "paper": as in the table; "relu": nowhere a swish; "hard_swish": everywhere (table 5); "swish": at
            the table's places of hard-swish; "hard_swish@N" or "swish@N": in all blocks with N or more output channels
            (table 5, figure 8), counted in the table, before the width. Stem, last convolution and hidden layer keep a
            swish, as in the table, so that @80 is Large's table, @40 Small's, and @16 is everywhere.
    """
    if activation == "paper":
        return table
    name, _, start = activation.partition("@")
    act = SWISHES.get(name, RE)

    def chosen(row: Row) -> Activation:
        if start:
            return act if row.out >= int(start) else RE
        return RE if name == "swish" and row.act is RE else act

    return table._replace(rows=tuple(row._replace(act=chosen(row)) for row in table.rows), act=act)


def with_stem(table: Table, channels: int) -> Table:
    """Change the first convolution; the first block works on its channels, and its output stays (section 5.1)."""
    first, *others = table.rows
    return table._replace(stem=channels, rows=(first._replace(expanded=channels), *others))


def with_original_last_stage(table: Table) -> Table:
    """Add one more inverted residual, and move the hidden layer's channels before the pooling (figure 5, top)."""
    row = Row(3, table.last, 2 * table.rows[-1].out, False, HS, 1)
    return table._replace(rows=(*table.rows, row), last=table.hidden, hidden=0)


def minimal(table: Table) -> Table:
    """Remove squeeze-and-excite, hard-swish and 5×5 kernels."""
    rows = tuple(row._replace(kernel=3, excite=False, act=RE) for row in table.rows)
    return table._replace(rows=rows, act=RE)
