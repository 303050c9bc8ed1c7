"""Where each format's int8 files round: what tasks/deploy/quantise does to a file, said of a network's calls."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from torch import nn

from tasks.common.layer_graph import LAYERS, Graph
from tasks.engine.rounding.calls import CLIPS, IMAGE, Call, Layers, layers_of

KEPT = ("permute", "reshape", "flatten", "view", "squeeze", "unsqueeze", "contiguous", "transpose", "to", "__getitem__",
        "dropout")  # fmt: skip
HARD_SIGMOID = ("hardsigmoid", "hardsigmoid_")
POSITIVE = (*CLIPS, *HARD_SIGMOID, "sigmoid", "softmax")  # their ranges begin at 0
HARD_SWISH = ("hardswish", "hardswish_")
FIRST = 63  # NNCF's guard against sums of 16 bits that overflow on processors without VNNI
LEAST = -3.0  # below it a hard-swish is 0


class Places(NamedTuple):
    """Which calls round what.

    Attributes:
        weights: by call, weights that are rounded per output channel.
        tensors: by call whose result is rounded, whether the grid is "affine" with a zero point, "symmetric" around 0,
            or the "unit" from 0 to 1.
        floors: by such a call, the least value that the next one distinguishes.
        gates: calls of hard-swish whose gate is rounded, too.
        factors: by call, what its result is multiplied with to be what the file rounds.
        channels: by such a call, their number, if each has a grid of its own.
        levels: by layer, the largest whole number of its weights, where it is not 127.
        first: layers that read the image's bytes: their weights are rounded with the normalisation in them.
    """

    weights: dict[str, nn.Parameter]
    tensors: dict[str, str]
    floors: dict[str, float]
    gates: frozenset[str]
    factors: dict[str, float]
    channels: dict[str, int]
    levels: dict[str, int]
    first: frozenset[str]


def places_of(calls: Sequence[Call], outputs: dict[str, str], form: str) -> Places:
    """The places of a format: onnx, openvino or litert.

    - litert: weights, inputs and results of convolutions without groups, of linear layers and of sums; the first layer
      stays in float. A hard-sigmoid is min(max(x + 3, 0), 6), part of the convolution, and a product in float.
    - onnx: all layers, products, poolings and activations, and what they read, from the first layer to the last ones;
      the image is read in bytes, exactly.
    - openvino: the weights of all layers, those of the first with a bit less, and what layers, sums, products and
      poolings read, each channel by itself in front of depthwise convolutions.
    """
    joined = HARD_SIGMOID if form != "openvino" else ()
    layers = layers_of(calls, outputs, joined)
    graph = Graph(layers.nodes)
    chosen = {"litert": litert, "onnx": onnx, "openvino": openvino}[form](graph, layers)
    rounded = [name for name in graph.nodes if name in chosen and name != IMAGE]
    return Places(
        {name: layers.weights[name] for name in rounded_layers(graph, form) if name in layers.weights},
        {layers.ends[name]: grid(graph, layers, name, form) for name in rounded},
        {layers.ends[name]: LEAST for name in rounded if form == "onnx" and only_for_hard_swish(graph, layers, name)},
        frozenset(name for name in rounded if form == "onnx" and layers.kinds[name] in HARD_SWISH),
        {layers.ends[name]: 6.0 for name in rounded if form == "litert" and layers.kinds[name] in HARD_SIGMOID},
        {layers.ends[name]: count for name in rounded if (count := channels_of(graph, layers, name, form))},
        dict.fromkeys(graph.first if form == "openvino" else (), FIRST),
        frozenset(graph.first if form == "onnx" else ()),
    )


def rounded_layers(graph: Graph, form: str) -> list[str]:
    """The layers that are int8."""
    layers = graph.layers()
    if form == "litert":
        layers = [each for each in layers if each.in_litert]
    return [each.name for each in layers]


def litert(graph: Graph, _layers: Layers) -> set[str]:
    """Inputs and results of its layers."""
    return {each for name in rounded_layers(graph, "litert") for each in (name, *sources(graph, name))}


def onnx(graph: Graph, layers: Layers) -> set[str]:
    """Inputs and results of its layers, and what passes their results on to others."""
    found: set[str] = set()
    for name in graph.core:
        node = graph.nodes[name]
        if node.operator in LAYERS or found.intersection(node.inputs):
            found.add(name)
            if node.operator in LAYERS and name not in graph.first:
                found.update(sources(graph, name))
    return {name for name in found if layers.kinds[name] not in KEPT}


def openvino(graph: Graph, _layers: Layers) -> set[str]:
    """Inputs of its layers."""
    pools = [name for name in graph.core if graph.nodes[name].operator == "pool"]
    return {each for name in (*rounded_layers(graph, "openvino"), *pools) for each in sources(graph, name)}


def sources(graph: Graph, name: str) -> Iterator[str]:
    """The nodes whose values a node reads."""
    yield from graph.nodes[name].inputs


def grid(graph: Graph, layers: Layers, name: str, form: str) -> str:
    """The grid of a result."""
    if form == "openvino":
        return "affine" if positive(graph, layers, name) else "symmetric"
    return "unit" if form == "onnx" and layers.kinds[name] in HARD_SIGMOID else "affine"


def positive(graph: Graph, layers: Layers, name: str) -> bool:
    """Whether no value of a result is below 0."""
    node, kind = graph.nodes[name], layers.kinds[name]
    if kind in POSITIVE:
        return True
    passes = node.operator in ("add", "mul", "pool") or kind in KEPT
    return passes and bool(node.inputs) and all(positive(graph, layers, source) for source in node.inputs)


def channels_of(graph: Graph, layers: Layers, name: str, form: str) -> int:
    """The channels of a result that only depthwise convolutions read, as NNCF has them; 0 if it has one grid."""
    readers = graph.readers[name]
    apart = form == "openvino" and bool(readers) and all(graph.nodes[reader].depthwise for reader in readers)
    return layers.weights[readers[0]].shape[0] if apart else 0


def only_for_hard_swish(graph: Graph, layers: Layers, name: str) -> bool:
    """Whether a hard-swish alone reads a result."""
    readers = graph.readers[name]
    return len(readers) == 1 and layers.kinds[readers[0]] in HARD_SWISH
