"""The layers of an exported network in any format, and the kind of each."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Literal, NamedTuple

Operator = Literal["input", "conv", "gemm", "add", "mul", "pool", "other"]
Kind = Literal["first", "last", "boxes", "excite", "depthwise", "other"]
WEIGHTED = ("conv", "gemm")
LAYERS = ("conv", "gemm", "add", "mul")  # faster but less exact in int8; pooling and reshaping only pass it on
IN_LITERT = ("conv", "gemm", "add")
MOST_IN_GATE = 2  # convolutions of a squeeze-and-excite


class Node(NamedTuple):
    """One operator of a graph, or the image input.

    Attributes:
        inputs: names of the operators whose outputs it reads.
        depthwise: for a convolution, whether every channel is its own group.
        outputs: names of the file's outputs that it provides.
    """

    name: str
    operator: Operator
    inputs: tuple[str, ...]
    depthwise: bool = False
    outputs: tuple[str, ...] = ()


class Layer(NamedTuple):
    """An operator that can run in int8.

    Attributes:
        kind: "excite" for squeeze-and-excite and other gates computed from a pooling; "boxes" for the last layer before
            box offsets, "last" before any other output.
    """

    name: str
    kind: Kind
    operator: Operator
    depthwise: bool

    @property
    def in_litert(self) -> bool:
        """Whether LiteRT's int8 files round it, whose kernels make no others faster."""
        return self.operator in IN_LITERT and not self.depthwise and self.kind != "first"


class Graph:
    """Operators that depend on the images, in topological order.

    The core spans from the first layer with weights to the last ones, inclusive: normalisation before it, and sums of
    logits, resizing, box decoding and softmax after it, need more than 256 levels.
    """

    def __init__(self, nodes: Iterable[Node]) -> None:
        self.nodes: dict[str, Node] = {}
        self.readers: dict[str, list[str]] = {}
        for node in nodes:
            computed = tuple(name for name in node.inputs if name in self.nodes)  # excludes constants
            if computed or node.operator == "input":
                self.nodes[node.name], self.readers[node.name] = node._replace(inputs=computed), []
            for name in computed:
                self.readers[name].append(node.name)
        weighted = [node.name for node in self.nodes.values() if node.operator in WEIGHTED]
        before = closure(weighted, {name: node.inputs for name, node in self.nodes.items()})
        behind = closure(weighted, self.readers)
        between = (before & behind) | set(weighted)
        self.core = [name for name in self.nodes if name in between]
        self.first = {name for name in weighted if name not in behind}
        self.last = {name for name in weighted if name not in before}

    def layers(self) -> list[Layer]:
        """The core's layers in order; sums and products only if both inputs are computed."""
        excite = set(self.gates())
        return [
            Layer(node.name, self.kind(node, excite), node.operator, node.depthwise)
            for node in map(self.nodes.__getitem__, self.core)
            if node.operator in WEIGHTED or (node.operator in LAYERS and len(node.inputs) > 1)
        ]

    def kind(self, node: Node, excite: Collection[str]) -> Kind:
        """The role of a layer in the network."""
        if node.name in self.first:
            return "first"
        if node.name in self.last:
            reached = closure([node.name], self.readers) | {node.name}
            names = [output for name in reached for output in self.nodes[name].outputs]
            return "boxes" if names and all(name.endswith(("offsets", "boxes")) for name in names) else "last"
        if node.name in excite:
            return "excite"
        return "depthwise" if node.depthwise else "other"

    def gates(self) -> Iterator[str]:
        """Products with a factor that comes from a pooling, and the layers in between."""
        for node in self.nodes.values():
            if node.operator == "mul" and len(node.inputs) > 1:
                layers = [layer for factor in node.inputs for layer in self.gate(factor)]
                if layers:
                    yield from (node.name, *layers)

    def gate(self, name: str) -> list[str]:
        """The layers with weights between a pooling and this node; empty if there is no pooling nearby."""
        layers: list[str] = []
        while self.nodes[name].operator != "pool":
            node = self.nodes[name]
            if node.operator in WEIGHTED:
                layers.append(name)
            if not node.inputs or len(layers) > MOST_IN_GATE:
                return []
            name = node.inputs[0]
        return layers


def closure(names: Iterable[str], following: Mapping[str, Iterable[str]]) -> set[str]:
    """Everything reachable from these names in at least one step."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        new = set(following[waiting.pop()]) - reached
        reached |= new
        waiting += new
    return reached
