"""How milliseconds are measured, and where they are stored. Validated on construction, without torch."""

from dataclasses import dataclass
from typing import Self

from tasks.config.rules import POSITIVE, SWITCH, Rules, one_of, whole
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree, arguments

RULES: Rules = {
    "latency.runtime": one_of("torch", "onnx"),
    "latency.threads": whole(1),
    "latency.precision": one_of("fp32"),
    "latency.other_machine": SWITCH,
    "latency.seconds": POSITIVE,
}


@dataclass(frozen=True)
class LatencySettings:
    """`latency` of a search's configuration.

    Attributes:
        runtime: torch or onnx.
        threads: of the runtime.
        precision: of weights and activations.
        table: path of the table of measured units; None for outputs/latency/<runtime>_<threads>_<precision>.json.
        other_machine: whether the table may be from another machine.
        seconds: of measuring per unit.
    """

    runtime: str
    threads: int
    precision: str
    table: str | None
    other_machine: bool
    seconds: float

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration.

        Raises:
            UserError: for a value that violates its rule.
        """
        check_values(tree, RULES, {})
        return cls(**arguments(cls, tree["latency"]))
