"""MobileNetV3 with its paper's ablations (table 5, figure 5), and the authors' minimalistic networks."""

from typing import Literal

from backbones.inverted import InvertedBackbone, Normalisation, Tail, WidthRule
from backbones.mobilenet_v3 import HS, RE, TABLES, Row, Table, plan_of
from backbones.stages import DilationRule, check_choice


class MobileNetV3(InvertedBackbone):
    """MobileNetV3-Large or -Small, or one of their variants, for (N, 3, H, W) images. This is the class conf/ uses.

    Args:
        minimalistic: the authors' variant without squeeze-and-excite, hard-swish and 5×5 kernels.
        activation: "paper" uses hard-swish in the second half, "hard_swish" everywhere, "relu" nowhere (table 5).
        excite: whether to use squeeze-and-excite.
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
        activation: Literal["paper", "hard_swish", "relu"] = "paper",
        excite: bool = True,
        last_stage: Literal["efficient", "original"] = "efficient",
        norm_eps: float = 1e-3,
        norm_momentum: float = 0.01,
        normalisation: Normalisation = "imagenet",
    ) -> None:
        check_choice("size", size, tuple(TABLES))
        check_choice("activation", activation, ("paper", "hard_swish", "relu"))
        check_choice("last_stage", last_stage, ("efficient", "original"))
        if minimalistic and activation == "hard_swish":
            raise ValueError("minimalistic=true has no hard-swish; leave activation=paper")
        if last_stage == "original" and tail != "full":
            raise ValueError(f"last_stage=original has no halved channels: tail={tail} must be full")
        table = TABLES[size]
        if last_stage == "original":
            table = with_original_last_stage(table)
        if minimalistic:
            table = minimal(table)
        if activation != "paper":
            act = HS if activation == "hard_swish" else RE
            table = table._replace(rows=tuple(row._replace(act=act) for row in table.rows), act=act)
        if not excite:
            table = table._replace(rows=tuple(row._replace(excite=False) for row in table.rows))
        plan = plan_of(table, width, width_rule, tail, norm_eps, norm_momentum, normalisation)
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)


def with_original_last_stage(table: Table) -> Table:
    """Add one more inverted residual, and move the hidden layer's channels before the pooling (figure 5, top)."""
    row = Row(3, table.last, 2 * table.rows[-1].out, False, HS, 1)
    return table._replace(rows=(*table.rows, row), last=table.hidden, hidden=0)


def minimal(table: Table) -> Table:
    """Remove squeeze-and-excite, hard-swish and 5×5 kernels."""
    rows = tuple(row._replace(kernel=3, excite=False, act=RE) for row in table.rows)
    return table._replace(rows=rows, act=RE)
