"""Operators of an .onnx file."""

import contextlib
from pathlib import Path
from typing import Any

from tasks.deploy.runtimes import needed, readable
from tasks.lint.operators import Fact, Operator, Tensor, facts_of, listed

SHAPE_ONLY = ("Constant",)  # which no runtime computes


def operators_of(path: Path) -> list[Operator]:
    """The operators in the file's order.

    Of each the fact `computed_inputs`, too: how many inputs are neither constants nor dequantised from constants.

    Raises:
        UserError: if onnx is not installed or the file is damaged.
    """
    with needed("onnx", path):
        import onnx
    with readable(path):
        model = onnx.load(str(path), load_external_data=False)
        with contextlib.suppress(Exception):  # shapes that the file states itself remain
            model = onnx.shape_inference.infer_shapes(model)
        return operators_in(model)


def operators_in(model: Any) -> list[Operator]:
    """The operators of a ModelProto, which may hold anything: raises whatever its content leads to."""
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    graph = model.graph
    constants = {entry.name: entry for entry in graph.initializer}
    values = {entry.name: entry.type.tensor_type for entry in (*graph.value_info, *graph.input, *graph.output)}
    constants |= {
        node.output[0]: attribute.t for node in graph.node if node.op_type in SHAPE_ONLY for attribute in node.attribute
    }
    stored = set(constants)  # and what is dequantised from them alone: the weights of an int8 file
    for node in graph.node:
        if node.op_type == "DequantizeLinear" and stored.issuperset(name for name in node.input if name):
            stored.update(node.output)
    found = []
    for node in graph.node:
        if node.op_type not in SHAPE_ONLY:
            facts = facts_of(
                [tensor(name, constants, values) for name in node.input if name],
                [tensor(name, {}, values) for name in node.output if name],
            )
            facts |= attributes_of(node, constants, values) | since_of(node, opsets)
            facts["computed_inputs"] = sum(name not in stored for name in node.input if name)
            facts["first"] = "yes" if any(name == graph.input[0].name for name in node.input) else "no"
            own = node.domain in ("", "ai.onnx")
            found.append(Operator(node.op_type if own else f"{node.domain}:{node.op_type}", node.name, facts))
    return found


def tensor(name: str, constants: dict[str, Any], values: dict[str, Any]) -> Tensor:
    """A tensor by its name."""
    import onnx

    if name in constants:
        return Tensor(type_name(constants[name].data_type), list(constants[name].dims), True)
    value = values.get(name)
    if value is None:
        return Tensor("unknown", None, False)
    sides = (
        [side.dim_value if side.HasField("dim_value") else None for side in value.shape.dim]
        if value.HasField("shape")
        else None
    )
    return Tensor(type_name(value.elem_type or onnx.TensorProto.UNDEFINED), sides, False)


def type_name(number: int) -> str:
    """The name of an element type as NumPy has it."""
    import onnx

    name = str(onnx.TensorProto.DataType.Name(number)).lower()
    return {"float": "float32", "double": "float64"}.get(name, name)


def since_of(node: Any, opsets: dict[str, int]) -> dict[str, Fact]:
    """The version of the operator set in which this operator last changed."""
    import onnx

    try:
        schema = onnx.defs.get_schema(node.op_type, opsets.get(node.domain, 1), node.domain)
        return {"since": schema.since_version}
    except onnx.defs.SchemaError:  # an operator of a runtime
        return {"since": opsets.get(node.domain, 1)}


def attributes_of(node: Any, constants: dict[str, Any], values: dict[str, Any]) -> dict[str, Fact]:
    """What the attributes and constant inputs tell."""
    import onnx

    given = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
    given = {key: value.decode() if isinstance(value, bytes) else value for key, value in given.items()}
    facts: dict[str, Fact] = {}
    if kernel := given.get("kernel_shape"):
        facts["kernel"] = max(kernel)
    if node.op_type in ("Conv", "ConvTranspose"):
        facts["bias"] = "yes" if len(node.input) > 2 and node.input[2] else "no"
    for key in ("mode", "antialias", "batch_dims"):
        if isinstance(value := given.get(key), str | int):
            facts[key] = value
    if node.op_type == "Resize":
        facts["coordinates"] = given.get("coordinate_transformation_mode", "half_pixel")
        facts.setdefault("mode", "nearest")
        before, after = (tensor(name, constants, values).sides for name in (node.input[0], node.output[0]))
        if before and after and None not in (*before, *after):
            facts["grows"] = "yes" if all(a >= b for a, b in zip(after, before, strict=True)) else "no"  # type: ignore[operator]
    if node.op_type == "Pad":
        facts.setdefault("mode", "constant")
    if node.op_type.startswith("Gather") and len(node.input) > 1:
        facts["index_type"] = tensor(node.input[1], constants, values).type
    if node.op_type.startswith("Reduce"):
        axes = given.get("axes")
        if axes is None and len(node.input) > 1 and node.input[1] in constants:
            axes = [int(axis) for axis in onnx.numpy_helper.to_array(constants[node.input[1]]).flatten()]
        if axes is not None:
            facts["axes"] = listed(axes)
            facts["keepdims"] = given.get("keepdims", 1)
    return facts
