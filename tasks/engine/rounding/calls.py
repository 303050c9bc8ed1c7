"""Every tensor function that a network calls has a name, by which it is rounded; recorded once, they form a graph."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from tasks.common.layer_graph import Node, Operator

IMAGE = "image"
OPERATORS: dict[str, Operator] = {
    "conv2d": "conv",
    "linear": "gemm",
    "add": "add",
    "add_": "add",
    "mul": "mul",
    "mul_": "mul",
    "adaptive_avg_pool2d": "pool",
    "avg_pool2d": "pool",
    "mean": "pool",
}
WEIGHTED = ("conv2d", "linear")
CLIPS = ("relu", "relu_", "relu6", "hardtanh", "hardtanh_")  # runtimes make them part of the layer before


class NamedCalls(TorchFunctionMode):
    """While it is active, each function call has a name such as `backbone/conv2d/3`: the part, the function, a number.

    Numbers count the calls of one function within one pass of the part, so that they do not depend on what other
    parts do, nor on functions that only training calls.

    Args:
        part: "backbone", or the name of a task.
    """

    def __init__(self, part: str) -> None:
        super().__init__()
        self.part, self.counts = part, Counter[str]()

    def __torch_function__(
        self, func: Any, _types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kind = getattr(func, "__name__", "")
        name = f"{self.part}/{kind}/{self.counts[kind]}"
        self.counts[kind] += 1
        return self.call(name, kind, func, args, kwargs or {})

    def call(self, name: str, kind: str, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Make the call of this name; by default as it is."""
        del name, kind
        return func(*args, **kwargs)


class Call(NamedTuple):
    """One recorded call.

    Attributes:
        inputs: names of the calls whose results it reads.
        weight: of a layer.
        depthwise: whether each channel is a group of its own.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    weight: nn.Parameter | None
    depthwise: bool


class Recorder:
    """Records the calls of all parts of a network in one pass."""

    def __init__(self, image: Tensor) -> None:
        self.made: dict[int, str] = {id(image): IMAGE}
        self.kept: list[Tensor] = [image]  # no other tensor can have the id of one that lives
        self.calls: list[Call] = []

    def within(self, part: str) -> NamedCalls:
        """Record the calls of a part."""
        return Recording(part, self)


class Recording(NamedCalls):
    """The calls of one part, for a Recorder."""

    def __init__(self, part: str, recorder: Recorder) -> None:
        super().__init__(part)
        self.recorder = recorder

    def call(self, name: str, kind: str, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        recorder = self.recorder
        made = recorder.made
        inputs = tuple(dict.fromkeys(made[id(each)] for each in tensors_in((args, kwargs)) if id(each) in made))
        result = func(*args, **kwargs)
        results = list(tensors_in(result))
        if inputs and results:
            weight = weight_of(kind, args, kwargs)
            depthwise = weight is not None and kind == "conv2d" and weight.shape[1] == 1 < weight.shape[0]
            recorder.calls.append(Call(name, kind, inputs, weight, depthwise))
            made.update((id(each), name) for each in results)
            recorder.kept += results
        return result


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts; parameters are none of them."""
    if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from tensors_in(each)
    elif isinstance(value, tuple | list):
        for each in value:
            yield from tensors_in(each)


def weight_of(kind: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> nn.Parameter | None:
    """The weight that a layer's call is given; None for other calls, and for a computed weight."""
    weight = (args[1] if len(args) > 1 else kwargs.get("weight")) if kind in WEIGHTED else None
    return weight if isinstance(weight, nn.Parameter) else None


class Layers(NamedTuple):
    """A network's calls as int8 files have them.

    Attributes:
        nodes: operators in order; normalisation and clipping are part of the layer before them.
        ends: by node, the name of the last call that is part of it: its result is what a file has.
        kinds: by node, the function of that call.
        weights: by node, of layers.
    """

    nodes: list[Node]
    ends: dict[str, str]
    kinds: dict[str, str]
    weights: dict[str, nn.Parameter]


def layers_of(calls: Sequence[Call], outputs: Mapping[str, str], also: Sequence[str] = ()) -> Layers:
    """Merge each normalisation and clipping into the layer before it, as exported files do.

    Args:
        outputs: by call that provides an output, the output's name.
        also: further functions that the format makes part of a convolution.
    """
    readers = Counter(name for call in calls for name in call.inputs)
    nodes: dict[str, Node] = {IMAGE: Node(IMAGE, "input", ())}
    owner, ends, kinds, weights = {IMAGE: IMAGE}, {IMAGE: IMAGE}, {IMAGE: ""}, dict[str, nn.Parameter]()
    for call in calls:
        layer = owner[call.inputs[0]]
        before = nodes[layer].operator
        weighted = before in ("conv", "gemm")
        joins = (call.kind == "batch_norm" and weighted) or (call.kind in CLIPS and (weighted or before == "add"))
        joins = joins or (call.kind in also and before == "conv")
        if joins and len(call.inputs) == 1 and readers[call.inputs[0]] == 1 and call.inputs[0] == ends[layer]:
            owner[call.name], ends[layer], kinds[layer] = layer, call.name, call.kind
            continue
        operator = OPERATORS.get(call.kind, "other")
        if call.kind in WEIGHTED and call.weight is None:
            operator = "other"
        nodes[call.name] = Node(call.name, operator, tuple(owner[name] for name in call.inputs), call.depthwise)
        owner[call.name], ends[call.name], kinds[call.name] = call.name, call.name, call.kind
        if call.weight is not None:
            weights[call.name] = call.weight
    for name, output in outputs.items():
        node = owner[name]
        nodes[node] = nodes[node]._replace(outputs=(*nodes[node].outputs, output))
    return Layers(list(nodes.values()), ends, kinds, weights)
