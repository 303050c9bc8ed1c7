"""The first convolution on the image's bytes: normalisation becomes part of its weights, and costs no pass of its own.

A convolution with padding needs zeros of the normalised image outside, which are another byte in each channel. So the
bytes are read relative to one zero point, near the means, and a fourth channel that is constant inside the image and
at the zero point outside carries the rest: exact at the borders too. Four channels are also what MLAS's fast kernels
for convolutions with symmetric weights take; three are not.
"""

from typing import Any

import numpy as np

from tasks.deploy.quantise.onnx_editor import Editor, attribute

BYTES = "image/bytes"  # the tensor that the first convolution reads
PADDED = "image/padded"  # the same as uint8


def read_bytes(editor: Editor) -> int | None:
    """Let the first convolution read bytes, if the graph begins with Cast, Sub, Div and one convolution.

    Returns:
        The zero point of the bytes; None if the graph begins in another way, and is unchanged.
    """
    graph, readers = editor.graph, editor.readers()
    chain: list[Any] = []
    tensor = graph.input[0].name
    for kind in ("Cast", "Sub", "Div", "Conv"):
        following = readers.get(tensor, [])
        if len(following) != 1 or following[0].op_type != kind or tensor in editor.outputs:
            return None
        chain.append(following[0])
        tensor = following[0].output[0]
    cast, subtract, divide, layer = chain
    constants = (subtract.input[1], divide.input[1], layer.input[1], *layer.input[2:])
    if any(name not in editor.constants for name in constants) or attribute(layer, "group", 1) != 1:
        return None
    weight, bias = editor.weights(layer)
    mean, deviation = (
        np.broadcast_to(editor.constants[name].astype(np.float64).reshape(-1), 3) for name in constants[:2]
    )
    zero = int(np.clip(round(mean.mean()), 0, 255))
    inside = 255 if zero < 128 else 0
    scaled = weight / deviation[:, None, None]
    rest = -(scaled * (mean - zero)[:, None, None]).sum(1, keepdims=True) / (inside - zero)
    editor.set_weights(layer, np.concatenate([scaled, rest], 1), bias, "/bytes")
    layer.input[0] = BYTES
    pads = editor.constant(f"{PADDED}/pads", np.array([0, 0, 0, 0, 0, 1, 0, 0], np.int64))
    value = editor.constant(f"{PADDED}/value", np.uint8(inside))
    centre = editor.constant(f"{BYTES}/zero", np.float32(zero))
    begin = [
        editor.node("Pad", [graph.input[0].name, pads, value], [PADDED], name=PADDED),
        editor.node("Cast", [PADDED], [f"{BYTES}/float"], name=f"{BYTES}/cast", to=cast.attribute[0].i),
        editor.node("Sub", [f"{BYTES}/float", centre], [BYTES], name=BYTES),
    ]
    gone = {subtract.name: [], divide.name: [], cast.name: begin}
    editor.replace(lambda node: gone.get(node.name, [node]))
    return zero


def drop_rounding(editor: Editor) -> None:
    """Remove the rounding of the bytes, which are bytes already, after quantisation."""
    rounded = next(node for node in editor.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == BYTES)
    for node in editor.graph.node:
        if node.op_type == "DequantizeLinear" and node.input[0] == rounded.output[0]:
            node.input[0] = PADDED
    gone = {rounded.name, f"{BYTES}/cast", BYTES}
    editor.replace(lambda node: [] if node.name in gone else [node])
