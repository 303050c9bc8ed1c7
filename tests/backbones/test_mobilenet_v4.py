"""MobileNetV4-Conv-Small: its blocks, maps and dilations (logits against timm's in test_timm)."""

from functools import partial

import pytest
import torch
from torch import nn

from backbones.mobilenet_v4 import MobileNetV4ConvSmall
from backbones.universal import UniversalBottleneck


def test_hidden_layer_is_announced_with_c5():
    c5 = MobileNetV4ConvSmall(width=0.5).features["c5"]
    assert (c5.channels, c5.reduction, c5.hidden.channels, c5.hidden.norm) == (480, 32, 1280, True)


def test_start_depthwise_has_no_activation_and_sees_the_map_before_the_stride():
    block = MobileNetV4ConvSmall().blocks[3]
    assert [type(layer) for layer in block.start] == [nn.Conv2d, nn.BatchNorm2d]
    assert block.start[0].stride == (1, 1) and block.depthwise[0].stride == (2, 2)


def test_output_stride_16_is_the_same_network_seen_densely():
    """À trous by the paper's rule: every second cell of the dense c5 is what the strided network computes."""
    torch.manual_seed(0)
    strided = MobileNetV4ConvSmall(width=0.35).eval()
    dense = MobileNetV4ConvSmall(width=0.35, output_stride=16).eval()
    dense.load_state_dict(strided.state_dict())
    images = torch.randn(1, 3, 320, 320)
    with torch.no_grad():
        sparse_map, dense_map = strided(images)["c5"], dense(images)["c5"]
    assert sparse_map.shape[-1] == 10 and dense_map.shape[-1] == 20
    torch.testing.assert_close(dense_map[..., ::2, ::2], sparse_map, rtol=1e-4, atol=1e-5)


def rates(**options):
    """Dilation of every block's start (0: has none) and middle depthwise convolution."""
    return [
        (block.start[0].dilation[0] if isinstance(block.start, nn.Sequential) else 0, block.depthwise[0].dilation[0])
        for block in MobileNetV4ConvSmall(**options).blocks
        if isinstance(block, UniversalBottleneck) and isinstance(block.depthwise, nn.Sequential)
    ]


def test_dilation_rules():
    assert rates(output_stride=8) == [(1, 1), *[(0, 2)] * 4, (2, 2), (4, 4), *[(0, 4)] * 4]
    at_once = rates(output_stride=16, dilation_rule="torchvision")
    assert at_once == [(1, 1), *[(0, 1)] * 4, (1, 2), (2, 2), *[(0, 2)] * 4], "the start one is before the stride"


def test_stride_needs_a_middle_depthwise_convolution():
    with pytest.raises(ValueError, match="stride=2 needs a middle"):
        UniversalBottleneck(
            8, 16, 8, start=3, middle=0, stride=2, start_dilation=1, dilation=1,
            norm=partial(nn.BatchNorm2d), residual=False,
        )  # fmt: skip
