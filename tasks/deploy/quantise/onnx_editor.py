"""An ONNX graph while it is rewritten: constants as arrays, and who makes and reads each tensor."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Editor:
    """A graph to change in place.

    Args:
        graph: of an ONNX model; every node has a name of its own.

    Attributes:
        constants: arrays by name.
    """

    def __init__(self, graph: Any) -> None:
        from onnx import helper, numpy_helper

        self.graph, self.node, self.to_tensor = graph, helper.make_node, numpy_helper.from_array
        self.constants: dict[str, Array] = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
        self.outputs = {output.name for output in graph.output}

    def makers(self) -> dict[str, Any]:
        """The node that computes each tensor."""
        return {tensor: node for node in self.graph.node for tensor in node.output}

    def readers(self) -> dict[str, list[Any]]:
        """The nodes that read each tensor."""
        found: dict[str, list[Any]] = {}
        for node in self.graph.node:
            for tensor in node.input:
                found.setdefault(tensor, []).append(node)
        return found

    def constant(self, name: str, value: Any) -> str:
        """Store a constant under a new name; one of that name that is there already is equal and stays."""
        if name not in self.constants:
            self.constants[name] = np.ascontiguousarray(value) if np.ndim(value) else np.asarray(value)
            self.graph.initializer.append(self.to_tensor(self.constants[name], name))
        return name

    def set_weights(self, layer: Any, weight: Array, bias: Array | None, suffix: str) -> None:
        """Give a convolution other weights and bias; those it had stay for their other readers."""
        name = layer.input[1] + suffix
        inputs = [layer.input[0], self.constant(name, weight.astype(np.float32))]
        if bias is not None:
            inputs.append(self.constant(f"{name}/bias", bias.astype(np.float32)))
        del layer.input[:]
        layer.input.extend(inputs)

    def weights(self, layer: Any) -> tuple[Array, Array | None]:
        """A convolution's weights and bias."""
        return self.constants[layer.input[1]], self.constants[layer.input[2]] if len(layer.input) > 2 else None

    def replace(self, change: Callable[[Any], Iterable[Any]]) -> None:
        """Put the nodes that `change` gives for each node in its place; they may be itself, others or none."""
        nodes = [new for node in self.graph.node for new in change(node)]
        del self.graph.node[:]
        self.graph.node.extend(nodes)

    def tidy(self) -> None:
        """Remove constants that no node reads."""
        read = {tensor for node in self.graph.node for tensor in node.input} | self.outputs
        kept = [entry for entry in self.graph.initializer if entry.name in read]
        del self.graph.initializer[:]
        self.graph.initializer.extend(kept)


def attribute(node: Any, name: str, default: Any) -> Any:
    """The value of a node's attribute."""
    from onnx import helper

    return next((helper.get_attribute_value(entry) for entry in node.attribute if entry.name == name), default)
