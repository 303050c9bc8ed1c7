"""A backbone from a block table (backbones/table_file.py), and the table of a backbone."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from backbones.base import Hidden
from backbones.blocks import Activation, HardSwish, ReLU, ReLU6, Swish
from backbones.inverted import Block, InvertedBackbone, Plan
from backbones.stages import DilationRule
from backbones.table_file import FORMAT, OTHERS, checked, read_table

ACTS: dict[str | None, Activation | None] = {
    "relu": ReLU,
    "relu6": ReLU6,
    "hard_swish": HardSwish,
    "swish": Swish,
    None: None,
}
GATES: dict[str, Activation] = {"hard_sigmoid": nn.Hardsigmoid, "sigmoid": nn.Sigmoid}


class TableBackbone(InvertedBackbone):
    """The network of a block table, for (N, 3, H, W) images; maps are named as in InvertedBackbone.

    Args:
        file: the table, in YAML.
        table: contents of the file; takes precedence over `file`, which may no longer exist.
        output_stride, skip_strides, dilation_rule: see Stages.
        norm_eps, norm_momentum: of the batch normalisations; None for the table's.

    Raises:
        ValueError: for a missing or invalid table, or an unknown choice.
    """

    def __init__(
        self,
        *,
        file: str | None = None,
        table: Mapping[str, Any] | None = None,
        output_stride: int = 32,
        skip_strides: int = 0,
        dilation_rule: DilationRule = "paper",
        norm_eps: float | None = None,
        norm_momentum: float | None = None,
    ) -> None:
        if table is None and file is None:
            raise ValueError("a table's file is missing: backbone.file=<block table, such as a search's found.yaml>")
        plan = plan_of(checked(table, "backbone.table") if table is not None else read_table(str(file)))
        if norm_eps is not None:
            plan = plan._replace(norm_eps=norm_eps)
        if norm_momentum is not None:
            plan = plan._replace(norm_momentum=norm_momentum)
        super().__init__(plan, output_stride=output_stride, skip_strides=skip_strides, dilation_rule=dilation_rule)


def plan_of(table: Mapping[str, Any]) -> Plan:
    """The network of a complete table."""
    blocks = tuple(
        Block(
            row["kernel"],
            row["expanded"],
            row["out"],
            row["excite"],
            known(row["act"]),
            row["stride"],
            GATES[row.get("gate", table["gate"])],
        )
        for row in table["blocks"]
    )
    hidden = table["hidden"]
    return Plan(
        stem=table["stem"],
        blocks=blocks,
        last=table["last"],
        hidden=Hidden(hidden["channels"], known(hidden["act"]), hidden["norm"]) if hidden else None,
        act=known(table["act"]),
        norm_eps=table["norm_eps"],
        norm_momentum=table["norm_momentum"],
        announce_bottleneck=table["announce_bottleneck"],
        bottleneck_act=ACTS[table["bottleneck_act"]],
        normalisation=table["normalisation"],
    )


def known(act: str) -> Activation:
    """The activation of this name."""
    found = ACTS[act]
    assert found is not None
    return found


def table_of(plan: Plan, origin: str | None = None) -> dict[str, Any]:
    """The complete table of a network.

    Args:
        origin: a line on where it comes from.

    Raises:
        ValueError: for what a table cannot express: shortcuts between expansions, or none at all.
    """
    if plan.shortcut != "bottleneck":
        raise ValueError(f"shortcut={plan.shortcut}: block tables have shortcuts between bottlenecks only")
    names = {id(act): name for name, act in ACTS.items()}
    gates = {id(gate): name for name, gate in GATES.items()}
    gate = gates[id(plan.blocks[0].gate)]
    rows = [
        {
            "kernel": block.kernel,
            "expanded": block.expanded,
            "out": block.out,
            "excite": block.excite_hidden,
            "act": names[id(block.act)],
            "stride": block.stride,
            **({"gate": gates[id(block.gate)]} if gates[id(block.gate)] != gate else {}),
        }
        for block in plan.blocks
    ]
    hidden = plan.hidden
    return {
        **OTHERS,
        "format": FORMAT,
        "stem": plan.stem,
        "blocks": rows,
        "last": plan.last,
        "hidden": {"channels": hidden.channels, "act": names[id(hidden.act)], "norm": hidden.norm} if hidden else None,
        "act": names[id(plan.act)],
        "gate": gate,
        "norm_eps": plan.norm_eps,
        "norm_momentum": plan.norm_momentum,
        "announce_bottleneck": plan.announce_bottleneck,
        "bottleneck_act": names[id(plan.bottleneck_act)],
        "normalisation": plan.normalisation,
        "origin": origin,
    }
