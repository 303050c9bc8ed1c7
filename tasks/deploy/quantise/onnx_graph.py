"""Reads ONNX graphs as layers, and changes them where ONNX Runtime would quantise more than requested."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tasks.common.layer_graph import Node, Operator

OPERATORS: dict[str, Operator] = {
    "Conv": "conv",
    "Gemm": "gemm",
    "MatMul": "gemm",
    "Add": "add",
    "Mul": "mul",
    "ReduceMean": "pool",
    "GlobalAveragePool": "pool",
    "AveragePool": "pool",
}


def name_nodes(nodes: Iterable[Any]) -> None:
    """Name every unnamed node."""
    for number, node in enumerate(nodes):
        node.name = node.name or f"{node.op_type}_{number}"


def nodes_of(graph: Any) -> list[Node]:
    """An ONNX graph's input and nodes."""
    image = graph.input[0].name
    makers = {image: image} | {tensor: node.name for node in graph.node for tensor in node.output}
    outputs = {output.name for output in graph.output}
    return [Node(image, "input", ())] + [
        Node(
            node.name,
            "other" if without_weights(node, makers) else OPERATORS.get(node.op_type, "other"),
            tuple(makers[tensor] for tensor in node.input if tensor in makers),
            grouped(node),
            tuple(tensor for tensor in node.output if tensor in outputs),
        )
        for node in graph.node
    ]


def grouped(node: Any) -> bool:
    """Whether a node is a convolution with several groups; in MobileNets these are the depthwise ones."""
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


def dequantise_by_channel(graph: Any, channels: Mapping[str, int]) -> None:
    """Give float layers their own dequantisation, with one scale repeated for every channel of their input.

    Between a DequantizeLinear with one scale and a QuantizeLinear, ONNX Runtime still quantises the weights of a float
    layer, with one scale for all channels (see its weight_bias_quantization.cc).

    Args:
        channels: number of input channels of each float layer.
    """
    from onnx import helper, numpy_helper

    makers = {tensor: node for node in graph.node for tensor in node.output}
    constants = {constant.name: numpy_helper.to_array(constant) for constant in graph.initializer}
    for place, node in reversed(list(enumerate(graph.node))):
        shared = makers.get(node.input[0]) if node.name in channels else None
        if shared is None or shared.op_type != "DequantizeLinear":
            continue
        rounded, *one = shared.input
        inputs = [f"{node.name}/scales", f"{node.name}/zeros"]
        for name, constant in zip(inputs, one, strict=True):
            repeated = np.repeat(constants[constant].reshape(1), channels[node.name])
            graph.initializer.append(numpy_helper.from_array(repeated, name))
        node.input[0] = f"{node.name}/input"
        graph.node.insert(place, helper.make_node("DequantizeLinear", [rounded, *inputs], [node.input[0]], axis=1))


def without_weights(node: Any, makers: Mapping[str, str]) -> bool:
    """Whether a product multiplies two computed tensors, as in suppression: not a layer of the network."""
    return node.op_type in ("Gemm", "MatMul") and all(tensor in makers for tensor in node.input[:2])
