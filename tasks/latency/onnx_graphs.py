"""Builds graphs in which ONNX Runtime runs a unit as it would inside a network."""

import warnings
from typing import Any

import torch
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, compose, helper, numpy_helper
from torch import Tensor, nn

from backbones.blocks import ConvNormAct, SqueezeExcite
from tasks.deploy.fold import fold
from tasks.deploy.writers.onnx import OPSET
from tasks.deploy.writers.silence import silence_logging
from tasks.latency.torch_runtime import example, with_values
from tasks.latency.units import Normalise, OnMaps, Shape, Shortcut, Unit, counted

IR_VERSION = 10
ACTS: dict[type[nn.Module], tuple[str, dict[str, float]]] = {
    nn.ReLU: ("Relu", {}),
    nn.Hardswish: ("HardSwish", {}),
    nn.Hardsigmoid: ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    nn.Sigmoid: ("Sigmoid", {}),
}


class Graph:
    """A graph under construction; names refer to its tensors."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.weights: list[TensorProto] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Append a node; return the name of its output."""
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, value: Tensor) -> str:
        """Append a constant; return its name."""
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(value.numpy(), name))
        return name

    def input(self, name: str, shape: Shape, dtype: int = TensorProto.FLOAT) -> str:
        """Declare an input; return its name."""
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        return name

    def output(self, name: str) -> None:
        """Declare an output, of any shape."""
        self.outputs.append(helper.make_empty_tensor_value_info(name))

    def conv(self, x: str, conv: nn.Conv2d) -> str:
        """Append a convolution; each has a bias, since normalisation is folded into it."""
        bias = conv.bias if conv.bias is not None else torch.zeros(conv.out_channels)
        return self.add(
            "Conv",
            x,
            self.weight(conv.weight.detach()),
            self.weight(bias.detach()),
            group=conv.groups,
            kernel_shape=conv.kernel_size,
            strides=conv.stride,
            dilations=conv.dilation,
            pads=[*conv.padding, *conv.padding],
        )

    def act(self, x: str, act: nn.Module) -> str:
        """Append an activation."""
        if isinstance(act, nn.ReLU6):
            return self.add("Clip", x, self.weight(torch.tensor(0.0)), self.weight(torch.tensor(6.0)))
        if isinstance(act, nn.SiLU):
            return self.add("Mul", x, self.add("Sigmoid", x))
        kind, attributes = ACTS[type(act)]
        return self.add(kind, x, **attributes)

    def layer(self, module: nn.Module, inputs: list[str]) -> list[str] | None:
        """Append the nodes of a single layer, as tasks/deploy exports it; None if the module is not a single layer."""
        x = inputs[0]
        if isinstance(module, Normalise):
            levels = self.add("Cast", x, to=TensorProto.FLOAT)
            return [self.add("Div", self.add("Sub", levels, self.weight(module.mean)), self.weight(module.std))]
        if isinstance(module, Shortcut):
            projected = self.layer(module.project, inputs)
            return projected and [self.add("Add", inputs[1], projected[0])]
        if isinstance(module, SqueezeExcite):
            pooled = self.add("ReduceMean", x, self.weight(torch.tensor([2, 3])), keepdims=1)
            inside = self.act(self.conv(pooled, module.reduce), module.act)
            return [self.add("Mul", self.act(self.conv(inside, module.expand), module.gate), x)]
        if isinstance(module, ConvNormAct):
            conv, norm, *acts = module
            if isinstance(conv, nn.Conv2d) and type(norm) is nn.BatchNorm2d:
                y = self.conv(x, conv)
                return [self.act(y, acts[0]) if acts else y]
        return None

    def include(self, graph: GraphProto, inputs: list[str]) -> list[str]:
        """Append the nodes of another graph; return the names of its outputs."""
        graph = compose.add_prefix_graph(graph, f"n{len(self.nodes)}_")
        renamed = dict(zip((value.name for value in graph.input), inputs, strict=True))
        for node in graph.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
        self.nodes += graph.node
        self.weights += graph.initializer
        return [value.name for value in graph.output]

    def before(self, x: str, shape: Shape) -> str:
        """Append a producer of a map, as in a network: a convolution, so that the map has the memory layout of one."""
        if shape[1] == 3:
            return self.add("Relu", x)  # a normalised image does not come from a convolution
        return self.conv(x, nn.Conv2d(shape[1], shape[1], 1, groups=shape[1]))

    def behind(self, x: str, shape: Shape) -> str:
        """Append a consumer of a map, as in a network: a convolution that computes a single cell."""
        if shape[1] == 3:
            return self.add("MaxPool", x, kernel_shape=[1, 1], strides=shape[2:])
        return self.conv(x, nn.Conv2d(shape[1], shape[1], 1, stride=(shape[2], shape[3]), groups=shape[1]))

    def model(self) -> ModelProto:
        """Finish the graph."""
        graph = helper.make_graph(self.nodes, "unit", self.inputs, self.outputs, self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def model_of(unit: Unit, copies: int, *, empty: bool) -> ModelProto:
    """Copies of a unit side by side, each between a producer and a consumer as in a network.

    Args:
        empty: leave out the units, to measure what the rest costs.
    """
    graph = Graph()
    image = isinstance(unit.module, Normalise)
    dtype = TensorProto.UINT8 if image else TensorProto.FLOAT
    other: GraphProto | None = None  # of a unit that is not a single layer
    for copy in range(copies):
        inputs = []
        for number, shape in enumerate(unit.shapes):
            name = f"x{number}_{copy}" if image else f"x{number}"
            if image or copy == 0:
                graph.input(name, shape, dtype)
            inputs.append(name if image else graph.before(name, shape))
        outputs, shapes = inputs, unit.shapes
        if not empty:
            found = graph.layer(with_values(unit.module), inputs)
            if found is None:
                other = other or exported(unit)
                found = graph.include(other, inputs)
            outputs = found
            shapes = counted(unit).shapes
        for name, shape in zip(outputs, shapes, strict=True):
            whole = isinstance(unit.module, OnMaps) and not empty  # a head's outputs are network outputs
            graph.output(name if whole else graph.behind(name, shape))
    return graph.model()


def exported(unit: Unit) -> GraphProto:
    """Export a unit of any kind as tasks/deploy does; this takes seconds."""
    inputs = tuple(example(unit, shape) for shape in unit.shapes)
    with silence_logging(), warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        graph = torch.export.export(with_values(unit.module), inputs).module(check_guards=False)
        fold(graph)
        program = torch.onnx.export(torch.export.export(graph, inputs), (), opset_version=OPSET, dynamo=True)
    assert program is not None
    return program.model_proto.graph
