"""How milliseconds are measured, and where they are kept. Checked when made, without torch."""

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
        table: the file of measured units; None for outputs/latency/<runtime>_<threads>_<precision>.json.
        other_machine: whether the table may have been measured elsewhere.
        seconds: for each unit.
    """

    runtime: str
    threads: int
    precision: str
    table: str | None
    other_machine: bool
    seconds: float

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Of a whole configuration, resolved.

        Raises:
            UserError: for a value outside its rule.
        """
        check_values(tree, RULES, {})
        return cls(**arguments(cls, tree["latency"]))
