"""Operators of Core ML's ML programs in PyTorch, as coremltools describes them (MIL ops of iOS 15 and 16)."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

TYPES = {"fp16": torch.float16, "fp32": torch.float32, "int32": torch.int32, "bool": torch.bool}


def tensor(value: Any) -> Tensor:
    """A value as a tensor: computed ones are, constants are arrays or numbers."""
    return value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))


def of_two(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """An operator of x and y."""
    return lambda x, y: function(tensor(x), tensor(y))


def padded(x: Tensor, pad_type: str, pad: Any, value: float = 0.0) -> Tensor:
    """x with the custom padding [top, bottom, left, right]."""
    if pad_type == "valid":
        return x
    if pad_type != "custom":
        raise ValueError(f"padding {pad_type}")
    top, bottom, left, right = map(int, pad)
    return functional.pad(x, (left, right, top, bottom), value=value)


def conv(
    x: Tensor,
    weight: Any,
    strides: Any,
    pad_type: str,
    pad: Any,
    dilations: Any,
    groups: Any,
    bias: Any = None,
) -> Tensor:
    """Convolution."""
    return functional.conv2d(
        padded(x, pad_type, pad),
        tensor(weight),
        None if bias is None else tensor(bias),
        stride=ints(strides),
        dilation=ints(dilations),
        groups=int(groups),
    )


def avg_pool(
    x: Tensor,
    kernel_sizes: Any,
    strides: Any,
    pad_type: str,
    pad: Any,
    exclude_padding_from_average: Any = False,
    ceil_mode: Any = False,
) -> Tensor:
    """Mean of windows; zeros around the map count."""
    if ceil_mode or (exclude_padding_from_average and any(pad)):
        raise ValueError("average of windows that are not whole")
    return functional.avg_pool2d(padded(x, pad_type, pad), ints(kernel_sizes), ints(strides))


def max_pool(x: Tensor, kernel_sizes: Any, strides: Any, pad_type: str, pad: Any, ceil_mode: Any = False) -> Tensor:
    """Largest of windows."""
    spread = padded(x, pad_type, pad, -float("inf"))
    return functional.max_pool2d(spread, ints(kernel_sizes), ints(strides), ceil_mode=bool(ceil_mode))


def slice_by_index(
    x: Any,
    begin: Any,
    end: Any,
    stride: Any = None,
    begin_mask: Any = None,
    end_mask: Any = None,
    squeeze_mask: Any = None,
) -> Tensor:
    """A part of x; masked ends are those of x, squeezed axes keep the element at `begin`."""
    x = tensor(x)
    index: list[int | slice] = []
    no = [False] * x.ndim
    open_begin, open_end, squeeze = (no if mask is None else mask for mask in (begin_mask, end_mask, squeeze_mask))
    steps = [1] * x.ndim if stride is None else ints(stride)
    for axis, step in enumerate(steps):
        if squeeze[axis]:
            index.append(int(begin[axis]))
            continue
        start = None if open_begin[axis] else int(begin[axis])
        index.append(slice(start, None if open_end[axis] else int(end[axis]), step))
    part: Tensor = x[tuple(index)]
    return part


def upsample_bilinear(
    x: Tensor, scale_factor_height: Any, scale_factor_width: Any, align_corners: Any, half_pixel_centers: Any = None
) -> Tensor:
    """Enlarged by factors; without aligned corners, pixels have their centres in their middle."""
    if half_pixel_centers is not None and bool(half_pixel_centers) == bool(align_corners):
        raise ValueError("neither corners nor centres are aligned")
    factors = (float(scale_factor_height), float(scale_factor_width))
    size = [math.floor(side * factor) for side, factor in zip(x.shape[2:], factors, strict=True)]  # so does Core ML
    return functional.interpolate(x, size, mode="bilinear", align_corners=bool(align_corners))


def reduce_mean(x: Tensor, axes: Any, keep_dims: Any) -> Tensor:
    """Mean over axes."""
    return x.mean(ints(axes), keepdim=bool(keep_dims))


def softmax(x: Tensor, axis: Any) -> Tensor:
    """Shares along an axis."""
    return x.softmax(int(axis))


def linear(x: Tensor, weight: Any, bias: Any = None) -> Tensor:
    """x · weightᵀ + bias."""
    return functional.linear(x, tensor(weight), None if bias is None else tensor(bias))


def batch_norm(x: Tensor, mean: Any, variance: Any, gamma: Any, beta: Any, epsilon: Any) -> Tensor:
    """Normalisation with stored statistics."""
    stored, weights = (tensor(mean), tensor(variance)), (tensor(gamma), tensor(beta))
    return functional.batch_norm(x, *stored, *weights, False, 0.0, float(epsilon))


def concat(values: Sequence[Any], axis: Any, interleave: Any = False) -> Tensor:
    """One after the other along an axis."""
    if interleave:
        raise ValueError("interleaved values")
    return torch.cat([tensor(value) for value in values], int(axis))


def matmul(x: Any, y: Any, transpose_x: Any = False, transpose_y: Any = False) -> Tensor:
    """Product of the last two axes."""
    x, y = tensor(x), tensor(y)
    return torch.matmul(x.mT if transpose_x else x, y.mT if transpose_y else y)


def topk(x: Tensor, k: Any, axis: Any, ascending: Any = False) -> Sequence[Tensor]:
    """The largest or smallest values along an axis, and where they were."""
    values, places = x.topk(int(k), int(axis), largest=not ascending)
    return values, places.int()


def split(x: Tensor, axis: Any, num_splits: Any = None, split_sizes: Any = None) -> Sequence[Tensor]:
    """Parts along an axis."""
    parts: Sequence[Tensor] = (
        x.chunk(int(num_splits), int(axis)) if split_sizes is None else x.split(ints(split_sizes), int(axis))
    )
    return parts


def gather_along_axis(x: Any, indices: Any, axis: Any) -> Tensor:
    """Elements by their places along an axis."""
    return tensor(x).gather(int(axis), tensor(indices).long())


def expand_dims(x: Any, axes: Any) -> Tensor:
    """With axes of one element, numbered as in the result."""
    made = tensor(x)
    for axis in sorted(axis % (made.ndim + len(axes)) for axis in ints(axes)):
        made = made.unsqueeze(axis)
    return made


def ints(values: Any) -> list[int]:
    """Whole numbers."""
    return [int(value) for value in values]


OPERATORS: dict[str, Callable[..., Tensor | Sequence[Tensor]]] = {
    "add": of_two(torch.add),
    "avg_pool": avg_pool,
    "batch_norm": batch_norm,
    "cast": lambda x, dtype: tensor(x).to(TYPES[str(dtype)]),
    "clip": lambda x, alpha, beta: x.clip(float(alpha), float(beta)),
    "concat": concat,
    "conv": conv,
    "exp": torch.exp,
    "equal": of_two(torch.eq),
    "expand_dims": expand_dims,
    "floor_div": of_two(torch.floor_divide),
    "gather_along_axis": gather_along_axis,
    "greater": of_two(torch.gt),
    "leaky_relu": lambda x, alpha: functional.leaky_relu(x, float(alpha)),
    "linear": linear,
    "logical_and": of_two(torch.logical_and),
    "matmul": matmul,
    "max_pool": max_pool,
    "maximum": of_two(torch.maximum),
    "minimum": of_two(torch.minimum),
    "mul": of_two(torch.mul),
    "prelu": lambda x, alpha: functional.prelu(x, tensor(alpha)),
    "real_div": of_two(torch.div),
    "reduce_argmax": lambda x, axis, keep_dims: x.argmax(int(axis), keepdim=bool(keep_dims)).int(),
    "reduce_mean": reduce_mean,
    "relu": lambda x: x.relu(),
    "relu6": lambda x: x.clip(0, 6),
    "reshape": lambda x, shape: tensor(x).reshape(ints(shape)),
    "reverse": lambda x, axes: tensor(x).flip(ints(axes)),
    "select": lambda cond, a, b: torch.where(tensor(cond), tensor(a), tensor(b)),
    "sigmoid": torch.sigmoid,
    "sigmoid_hard": lambda x, alpha, beta: (x * float(alpha) + float(beta)).clip(0, 1),
    "slice_by_index": slice_by_index,
    "softmax": softmax,
    "split": split,
    "squeeze": lambda x, axes: x.squeeze(tuple(ints(axes))),
    "sub": of_two(torch.sub),
    "tanh": torch.tanh,
    "thresholded_relu": lambda x, alpha: torch.where(x >= float(alpha), x, 0),
    "tile": lambda x, reps: tensor(x).tile(ints(reps)),
    "topk": topk,
    "transpose": lambda x, perm: x.permute(ints(perm)),
    "upsample_bilinear": upsample_bilinear,
}
