"""MobileNetV3's activations and means as operators that ONNX Runtime has int8 kernels for.

A hard-sigmoid is clip(αx + β, 0, 1), and 8 bits of the range 0 to 1 clip by themselves. So behind a convolution it is
nothing but other weights; elsewhere it is one addition to the same 8 bits read with another scale. A hard-swish is its
product with x. A hard-swish is 0 below −β/α, so that the range of x needs not go further down.
"""

from collections.abc import Collection
from typing import Any

import numpy as np

from tasks.deploy.quantise.onnx_editor import Editor, attribute

ALPHA, BETA = 1 / 6, 0.5  # of a hard-swish
UNIT = (0.0, 1.0)
Ranges = dict[str, tuple[float, float]]


def use_int8_kernels(editor: Editor, chosen: Collection[str], ranges: Ranges) -> set[str]:
    """Rewrite activations and means among the nodes of these names.

    Args:
        ranges: of the tensors, to which those of new ones are added; others become smaller.

    Returns:
        The names of new nodes that are to be quantised.
    """
    makers, readers = editor.makers(), editor.readers()
    new: set[str] = set()

    def is_only_for(tensor: str) -> bool:
        return len(readers[tensor]) == 1 and tensor not in editor.outputs

    def change(node: Any) -> list[Any]:
        if node.name not in chosen:
            return [node]
        if node.op_type == "ReduceMean":
            return pooled(editor, node, new, ranges)
        if node.op_type == "HardSwish":
            (x,), (y,) = node.input, node.output
            gate = f"{y}/gate"
            if is_only_for(x):
                ranges[x] = (max(ranges[x][0], -BETA / ALPHA), max(ranges[x][1], -BETA / ALPHA))
            ranges[gate] = UNIT
            new.update((gate, f"{gate}/product"))
            return [
                editor.node("HardSigmoid", [x], [gate], name=gate, alpha=ALPHA, beta=BETA),
                editor.node("Mul", [x, gate], [y], name=f"{gate}/product"),
            ]
        if node.op_type == "HardSigmoid":
            ranges[node.output[0]] = UNIT
            layer, alone = makers.get(node.input[0]), is_only_for(node.input[0])
            if layer is not None and layer.op_type == "Conv" and layer.name in chosen and alone:
                alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
                weight, bias = editor.weights(layer)
                shift = beta + (0 if bias is None else alpha * bias)
                editor.set_weights(layer, alpha * weight, np.broadcast_to(shift, len(weight)), "/gate")
                layer.output[0] = node.output[0]
                return []
        return [node]

    editor.replace(change)
    return new


def pooled(editor: Editor, node: Any, new: set[str], ranges: Ranges) -> list[Any]:
    """A mean over height and width as a pooling; any other mean unchanged."""
    axes = editor.constants.get(node.input[1]) if len(node.input) > 1 else None
    if axes is None or sorted(axis % 4 for axis in axes.tolist()) != [2, 3]:
        return [node]
    (y,) = node.output
    if attribute(node, "keepdims", 1):
        return [editor.node("GlobalAveragePool", node.input[:1], [y], name=node.name)]
    flat = f"{y}/flat"
    new.add(flat)
    ranges[f"{y}/pooled"] = ranges[y]
    return [
        editor.node("GlobalAveragePool", node.input[:1], [f"{y}/pooled"], name=node.name),
        editor.node("Flatten", [f"{y}/pooled"], [y], name=flat, axis=1),
    ]


def add_for_hard_sigmoids(editor: Editor) -> None:
    """After quantisation: every quantised hard-sigmoid as an addition, to its input read with another scale."""
    makers, readers = editor.makers(), editor.readers()

    def change(node: Any) -> list[Any]:
        read = makers.get(node.input[0]) if node.op_type == "HardSigmoid" else None
        if read is None or read.op_type != "DequantizeLinear":
            return [node]
        clips = all(reader.op_type == "QuantizeLinear" for reader in readers.get(node.output[0], [node]))
        alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
        if not clips or min(alpha, beta) <= 0:  # which would be scales
            return [node]
        scale = editor.constant(f"{node.name}/scale", np.float32(alpha) * editor.constants[read.input[1]])
        half = [
            editor.constant("hard_sigmoid/full", np.uint8(255)),
            editor.constant(f"hard_sigmoid/{beta}", np.float32(beta / 255)),
            editor.constant("hard_sigmoid/zero", np.uint8(0)),
        ]
        x, shift = f"{node.name}/x", f"{node.name}/shift"
        return [
            editor.node("DequantizeLinear", [read.input[0], scale, read.input[2]], [x], name=x),
            editor.node("DequantizeLinear", half, [shift], name=shift),
            editor.node("Add", [x, shift], list(node.output), name=node.name),
        ]

    editor.replace(change)
