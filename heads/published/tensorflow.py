"""What the authors of the segmentation networks count, as far as their printed figures tell."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count

aten = torch.ops.aten
ELEMENTWISE = (aten.hardswish, aten.hardswish_, aten.mul, aten.add, aten.upsample_bilinear2d)


def counted_by_tensorflow(backbone: nn.Module, head: nn.Module, height: int, width: int) -> int:
    """Multiply-adds of a segmentation network for one image, whose logits are resized to its size.

    Beside the convolutions there is one for each value of an h-swish, a product (squeeze-and-excite), a sum (shortcut)
    and a resize. An atrous convolution costs what TensorFlow's `space_to_batch` makes of it: the map is padded to a
    multiple of the rate, 33×33 to 36×36.
    """
    modules = nn.ModuleList([backbone, head])
    modules.eval()
    image = torch.empty(1, 3, height, width, device=next(modules.parameters()).device)
    own = {**dict.fromkeys(ELEMENTWISE, elementwise), aten.convolution: padded_convolution}
    with FlopCounterMode(display=False, custom_mapping=own) as counter, torch.no_grad():
        F.interpolate(head(backbone(image)), (height, width), mode="bilinear", align_corners=False)
    return int(counter.get_total_flops()) // 2


def elementwise(*_: Any, out_shape: Sequence[int], **__: Any) -> int:
    """Operations for these values: two, as in a multiply-add."""
    return 2 * math.prod(out_shape)


def padded_convolution(
    x_shape: list[int],
    weight_shape: list[int],
    _bias: Any,
    _stride: Any,
    _padding: Any,
    dilation: Sequence[int],
    *_: Any,
    out_shape: list[int],
    **__: Any,
) -> int:
    """Operations of a convolution whose result is padded to a multiple of the rate."""
    sides = (math.ceil(side / rate) * rate for side, rate in zip(out_shape[2:], dilation, strict=True))
    return conv_flop_count(x_shape, weight_shape, [*out_shape[:2], *sides])
