"""MobileNetV4-Conv: its blocks, maps and dilations (logits against timm's in test_timm)."""

from functools import partial

import pytest
import torch
from torch import nn

from backbones.mobilenet_v4 import MobileNetV4Conv
from backbones.universal import UniversalBottleneck


def test_hidden_layer_is_announced_with_c5():
    c5 = MobileNetV4Conv(width=0.5).features["c5"]
    assert (c5.channels, c5.reduction, c5.hidden.channels, c5.hidden.norm) == (480, 32, 1280, True)


def test_start_depthwise_has_no_activation_and_sees_the_map_before_the_stride():
    block = MobileNetV4Conv().blocks[3]
    assert [type(layer) for layer in block.start] == [nn.Conv2d, nn.BatchNorm2d]
    assert block.start[0].stride == (1, 1) and block.depthwise[0].stride == (2, 2)


def test_output_stride_16_is_the_same_network_seen_densely():
    """À trous by the paper's rule: every second cell of the dense c5 is what the strided network computes."""
    torch.manual_seed(0)
    strided = MobileNetV4Conv(width=0.35).eval()
    dense = MobileNetV4Conv(width=0.35, output_stride=16).eval()
    dense.load_state_dict(strided.state_dict())
    images = torch.randn(1, 3, 320, 320)
    with torch.no_grad():
        sparse_map, dense_map = strided(images)["c5"], dense(images)["c5"]
    assert sparse_map.shape[-1] == 10 and dense_map.shape[-1] == 20
    torch.testing.assert_close(dense_map[..., ::2, ::2], sparse_map, rtol=1e-4, atol=1e-5)


def test_sizes_are_the_papers_tables():
    with torch.device("meta"):
        networks = {size: MobileNetV4Conv(size=size) for size in ("small", "medium", "large")}
    channels = {size: [feature.channels for feature in maps(network).values()] for size, network in networks.items()}
    assert channels == {
        "small": [32, 32, 64, 96, 960],
        "medium": [32, 48, 80, 160, 960],
        "large": [24, 48, 96, 192, 960],
    }
    assert {size: len(network.blocks) for size, network in networks.items()} == {"small": 16, "medium": 24, "large": 29}
    with pytest.raises(ValueError, match="size='tiny' is not one of small, medium, large"):
        MobileNetV4Conv(size="tiny")


def maps(network):
    """c1…c5 without the inner ones."""
    return {name: feature for name, feature in network.features.items() if len(name) == 2}


def test_only_smalls_fused_blocks_end_with_an_activation():
    """timm and the authors' code: the small one's are plain convolutions, the others' linear bottlenecks."""
    with torch.device("meta"):
        ends = {size: len(MobileNetV4Conv(size=size).blocks[1].project) for size in ("small", "medium", "large")}
    assert ends == {"small": 3, "medium": 2, "large": 2}


def rates(**options):
    """Dilation of every block's start (0: has none) and middle depthwise convolution."""
    return [
        (block.start[0].dilation[0] if isinstance(block.start, nn.Sequential) else 0, block.depthwise[0].dilation[0])
        for block in MobileNetV4Conv(**options).blocks
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
