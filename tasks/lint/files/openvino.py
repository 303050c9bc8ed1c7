"""Operators of an .xml file, and which of them OpenVINO's CPU plugin takes here."""

from pathlib import Path
from typing import Any

from tasks.deploy.runtimes import needed, openvino_core, quiet, readable
from tasks.lint.operators import Operator, Tensor, facts_of

NO_WORK = ("Constant", "Parameter", "Result")
TYPES = {"boolean": "bool", "f64": "float64", "f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def operators_of(path: Path) -> list[Operator]:
    """The operators in the order of execution.

    Raises:
        UserError: if OpenVINO is not installed or the file is damaged.
    """
    with needed("openvino", path):
        core = openvino_core()
    with readable(path):
        with quiet():  # its readers of other formats complain first
            model = core.read_model(str(path))
        taken = core.query_model(model, "CPU")
        return [
            Operator(
                node.get_type_name(),
                node.get_friendly_name(),
                facts_of([seen(port.get_source_output()) for port in node.inputs()], list(map(seen, node.outputs()))),
                here=node.get_friendly_name() in taken,
            )
            for node in model.get_ordered_ops()
            if node.get_type_name() not in NO_WORK
        ]


def seen(port: Any) -> Tensor:
    """An output of an operator as a tensor."""
    shape = port.get_partial_shape()
    sides = None
    if shape.rank.is_static:
        sides = [side.get_length() if side.is_static else None for side in shape]
    kind = port.get_element_type().to_string() if hasattr(port.get_element_type(), "to_string") else ""
    name = kind or port.get_element_type().get_type_name()
    plain = TYPES.get(name, name)
    if plain[:1] in "iu" and plain[1:].isdigit():
        plain = ("int" if plain[0] == "i" else "uint") + plain[1:]
    return Tensor(plain, sides, port.get_node().get_type_name() == "Constant")
