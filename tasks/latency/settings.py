"""How milliseconds are measured, and where they are stored. Validated on construction, without torch."""

from dataclasses import dataclass
from typing import Self

from tasks.common.errors import UserError, check_file
from tasks.common.formats import FORMATS, PRECISIONS
from tasks.config.rules import POSITIVE, SWITCH, TEXT, Rules, either, one_of, optional, whole
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree, arguments

HERE = ("torch", "onnx")  # runtimes in which this machine measures units
RULES: Rules = {
    "latency.runtime": one_of(*FORMATS),
    "latency.threads": whole(1),
    "latency.precision": one_of(*PRECISIONS),
    "latency.device": optional(either(TEXT, whole(0))),
    "latency.other_machine": SWITCH,
    "latency.seconds": POSITIVE,
}


@dataclass(frozen=True)
class LatencySettings:
    """`latency` of a search's configuration.

    Attributes:
        runtime: torch or onnx; of a device's result any format.
        threads: of the runtime.
        precision: of weights and activations.
        table: path of the table of measured units; None for outputs/latency/<runtime>_<threads>_<precision>.json.
        other_machine: whether the table may be from another machine.
        seconds: of measuring per unit.
        device: path of a device's result, which has whole networks' times; None for units measured here.
    """

    runtime: str
    threads: int
    precision: str
    table: str | None
    other_machine: bool
    seconds: float
    device: str | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration.

        Raises:
            UserError: for a value that violates its rule, and what only a device can have measured.
        """
        check_values(tree, RULES, {})
        own = tree["latency"]
        settings = cls(**arguments(cls, own) | {"device": None if own["device"] is None else str(own["device"])})
        if settings.device is not None:
            check_file("latency.device", settings.device, ["*.json"])
        elif settings.runtime not in HERE or settings.precision != "fp32":
            raise UserError(
                f"latency.runtime={settings.runtime} latency.precision={settings.precision}: layers are measured here "
                f"in {' or '.join(HERE)} and fp32; latency.device=<device.json> has other times (docs/search.md)"
            )
        return settings
