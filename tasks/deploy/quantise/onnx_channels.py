"""Channels of depthwise convolutions, filled up with zeros to a multiple of 16.

MLAS's int8 kernels for depthwise convolutions work on 16 channels at once; with 72 or 88 they take two to three times
as long as with 80 or 96.
"""

from typing import Any, NamedTuple

import numpy as np

from tasks.deploy.quantise.onnx_editor import Editor, attribute

ALIGNED = 16
PASSING = ("Relu", "Clip", "HardSwish", "HardSigmoid", "Sigmoid", "GlobalAveragePool")
JOINING = ("Mul", "Add")


class Channels(NamedTuple):
    """The convolutions around tensors that share their channels: those that make, keep and read them."""

    make: dict[str, Any]
    keep: dict[str, Any]
    read: dict[str, Any]


def align_channels(editor: Editor) -> int:
    """Fill up the channels around every depthwise convolution, where only convolutions make and read them.

    What the graph computes stays the same: the new channels have weights of zero wherever they are read.

    Returns:
        Number of depthwise convolutions with more channels than before.
    """
    makers, readers = editor.makers(), editor.readers()
    done: set[str] = set()
    for node in list(editor.graph.node):
        count = attribute(node, "group", 1)
        if node.op_type != "Conv" or count == 1 or count % ALIGNED == 0 or node.name in done:
            continue
        found = around(node, editor, makers, readers)
        if found is None:
            continue
        more = -count % ALIGNED
        for layer in (*found.make.values(), *found.keep.values()):
            weight, bias = editor.weights(layer)
            filled = np.concatenate([weight, np.zeros((more, *weight.shape[1:]), weight.dtype)])
            shift = None if bias is None else np.concatenate([bias, np.zeros(more, bias.dtype)])
            editor.set_weights(layer, filled, shift, f"/{count}+{more}")
        for layer in found.keep.values():
            next(entry for entry in layer.attribute if entry.name == "group").i = count + more
        for layer in found.read.values():
            weight, bias = editor.weights(layer)
            filled = np.concatenate([weight, np.zeros((len(weight), more, *weight.shape[2:]), weight.dtype)], 1)
            editor.set_weights(layer, filled, bias, f"/reads {count}+{more}")
        done.update(found.keep)
    del editor.graph.value_info[:]  # shapes of before
    return len(done)


def around(depthwise: Any, editor: Editor, makers: dict[str, Any], readers: dict[str, list[Any]]) -> Channels | None:
    """The convolutions around a depthwise one; None if something else makes or reads one of the tensors."""
    found, seen, waiting = Channels({}, {}, {}), set(), [depthwise.input[0]]
    count = attribute(depthwise, "group", 1)
    while waiting:
        tensor = waiting.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        if tensor in editor.outputs or tensor not in makers:
            return None
        for node in (makers[tensor], *readers.get(tensor, [])):
            made = node is makers[tensor]
            if node.op_type == "Conv" and all(name in editor.constants for name in node.input[1:]):
                if attribute(node, "group", 1) == 1:
                    (found.make if made else found.read)[node.name] = node
                    continue
                if attribute(node, "group", 1) != count or len(editor.constants[node.input[1]]) != count:
                    return None
                found.keep[node.name] = node
                waiting += [node.input[0], node.output[0]]
            elif node.op_type in PASSING:
                waiting += [node.input[0], node.output[0]]
            elif node.op_type in JOINING and not any(name in editor.constants for name in node.input):
                waiting += [*node.input, *node.output]
            else:
                return None
    return found
