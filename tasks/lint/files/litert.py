"""Operators of a .tflite file, and which of them XNNPACK takes in the LiteRT that is installed."""

from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.errors import UserError
from tasks.deploy.litert_file import names_in, read_file
from tasks.deploy.litert_file import operators_of as of_model
from tasks.deploy.runtimes import needed, quiet, readable
from tasks.lint.operators import Fact, Operator, Tensor, facts_of, listed

MAGIC = b"TFL3"  # bytes 4 to 8


def operators_of(path: Path) -> list[Operator]:
    """The operators in the file's order.

    Raises:
        UserError: if LiteRT is not installed or the file is damaged.
    """
    with needed("litert", path):
        from ai_edge_litert import schema_py_generated as schema
    with path.open("rb") as file:
        if file.read(8)[4:] != MAGIC:
            raise UserError(f"{path} cannot be opened: it is no LiteRT file")
    with readable(path), quiet():
        model = read_file(path)
        graph = model.subgraphs[0]
        outside = left_to_the_kernels(path)
        found = []
        for number, (kind, operator) in enumerate(of_model(model)):
            facts, label = read_facts(kind, operator, graph, model, schema), str(number)
            if kind == "CUSTOM":
                label = text(model.operatorCodes[operator.opcodeIndex].customCode)
                kind = f"CUSTOM:{label}"
            here = None if outside is None else number not in outside
            found.append(Operator(kind, label, facts, here=here))
    return found


def text(value: Any) -> str:
    """A name, which the file stores as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def read_facts(kind: str, operator: Any, graph: Any, model: Any, schema: Any) -> dict[str, Fact]:
    """What shapes, constants and options tell."""
    types = {number: name.lower() for number, name in names_in(schema.TensorType).items()}

    def constant(index: int) -> Any:
        return model.buffers[graph.tensors[index].buffer].data

    def seen(index: int) -> Tensor:
        tensor = graph.tensors[index]
        sides = [] if tensor.shape is None else [int(side) for side in tensor.shape]
        return Tensor(types[tensor.type], sides, constant(index) is not None)

    inputs = [index for index in operator.inputs if index >= 0]
    facts = facts_of([seen(index) for index in inputs], [seen(index) for index in operator.outputs])
    facts |= options_of(operator.builtinOptions, names_in(schema.ActivationFunctionType))
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
        facts["bias"] = "yes" if len(inputs) > 2 else "no"
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        facts["kernel"] = max(seen(inputs[1]).sides[1:3])  # type: ignore[index]
    if kind.startswith("GATHER"):
        facts["index_type"], facts["index_rank"] = seen(inputs[1]).type, len(seen(inputs[1]).sides or ())
    if (kind in ("MEAN", "SUM") or kind.startswith("REDUCE")) and constant(inputs[1]) is not None:
        axes = np.asarray(constant(inputs[1]), np.uint8).tobytes()
        axes_of = [int(axis) for axis in np.frombuffer(axes, np.int32)]
        facts["axes"], facts["over_batch"] = listed(axes_of), "yes" if 0 in axes_of else "no"
    if kind == "STRIDED_SLICE" and constant(inputs[3]) is not None:
        facts["stride"] = int(
            np.abs(np.frombuffer(np.asarray(constant(inputs[3]), np.uint8).tobytes(), np.int32)).max()
        )
    if kind in ("ADD", "MUL") and len(inputs) == 2:
        facts["broadcast"] = "yes" if fits(*(seen(index).sides or () for index in inputs)) else "no"
    return facts


def options_of(options: Any, activations: dict[int, str]) -> dict[str, Fact]:
    """What an operator's options tell."""
    given = {} if options is None else vars(options)
    facts: dict[str, Fact] = {}
    if "fusedActivationFunction" in given:
        facts["fused_activation"] = activations[given["fusedActivationFunction"]]
    if "filterHeight" in given:
        facts["kernel"] = max(given["filterHeight"], given["filterWidth"])
    if "strideH" in given:
        facts["stride"] = max(given["strideH"], given["strideW"])
    if "dilationHFactor" in given:
        same = given["dilationHFactor"] == given["dilationWFactor"]
        facts["square_dilation"] = "yes" if same else "no"
    if "beta" in given:
        facts["beta"] = f"{given['beta']:g}"
    if "halfPixelCenters" in given:
        facts["half_pixel"] = "yes" if given["halfPixelCenters"] else "no"
        facts["align_corners"] = "yes" if given["alignCorners"] else "no"
    if "ellipsisMask" in given:
        masked = given["ellipsisMask"] or given["newAxisMask"] or given["shrinkAxisMask"]
        facts["masked"] = "yes" if masked else "no"
    return facts


def fits(one: Any, two: Any) -> bool:
    """Whether two shapes broadcast by LiteRT's rule for GPUs: aligned at their last side."""
    return all(a == b or 1 in (a, b) for a, b in zip(reversed(one), reversed(two), strict=False))


def left_to_the_kernels(path: Path) -> set[int] | None:
    """Numbers of the operators that XNNPACK leaves to LiteRT's kernels on this machine; None if LiteRT does not tell.

    LiteRT lists a file's operators and, after them, those that stand for a delegate's part of the graph. What still
    runs is what the outputs are computed from, where a delegate's output is preferred to the operator it replaced.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    try:
        interpreter.allocate_tensors()
        every = interpreter._get_ops_details()  # there is no public way
    except (AttributeError, RuntimeError, ValueError):
        return None
    producer = {int(tensor): operator for operator in every for tensor in operator["outputs"]}  # the last one counts
    wanted = [int(output["index"]) for output in interpreter.get_output_details()]
    seen: set[int] = set()
    outside: set[int] = set()
    while wanted:
        operator = producer.get(wanted.pop())
        if operator is not None and operator["index"] not in seen:
            seen.add(operator["index"])
            if operator["op_name"] != "DELEGATE":
                outside.add(int(operator["index"]))
            wanted += [int(tensor) for tensor in operator["inputs"]]
    return outside
