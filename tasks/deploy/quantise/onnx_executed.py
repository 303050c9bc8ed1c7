"""What ONNX Runtime executes of a graph that it has optimised: in int8, conversions, float."""

from typing import Any

from tasks.deploy.quantise.quantiser import Part, Quantised

CONVERSIONS = ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear")
INTEGER = ("QLinear", "QGemm", "MatMulInteger", "ConvInteger")  # names of int8 kernels begin so
OF_BYTES = 9  # inputs of a QGemm that rounds its result; others give floats
MOVING = [
    "Concat",
    "Expand",
    "Flatten",
    "Gather",
    "Identity",
    "MaxPool",
    "Pad",
    "Reshape",
    "Resize",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Unsqueeze",
]  # of what they move


def operators_of(graph: Any) -> Quantised:
    """Count the operators of an optimised graph whose input is uint8."""
    bytes_ = {graph.input[0].name}
    found: list[tuple[Part, str]] = []
    constants = {entry.name for entry in graph.initializer}
    for node in graph.node:
        computed = [name for name in node.input if name not in constants]
        moves = node.op_type in MOVING and bool(computed) and computed[0] in bytes_
        if node.op_type in CONVERSIONS:
            found.append(("conversions", node.op_type))
            in_bytes = node.op_type == "QuantizeLinear"
        else:
            in_bytes = moves or node.op_type.startswith(INTEGER)
            found.append(("int8" if in_bytes else "floats", node.op_type))
        if in_bytes and (node.op_type != "QGemm" or len(node.input) == OF_BYTES):
            bytes_.update(node.output)
    return Quantised.of(found)
