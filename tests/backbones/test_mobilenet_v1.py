"""MobileNetV1 against its paper's table 1."""

import pytest
import torch
from torch import nn

from backbones.mobilenet_v1 import MobileNetV1
from heads.lraspp import LRASPP


def test_shapes_are_table_1():
    backbone = MobileNetV1().eval()
    seen = []
    for block in backbone.blocks:
        block.register_forward_hook(lambda _block, _inputs, out: seen.append((out.shape[1], out.shape[2])))
    for tap in list(backbone.taps):  # run whole blocks: inner maps would not pass the hooks
        if backbone.taps[tap].place != "out":
            del backbone.taps[tap], backbone.features[tap]
    with torch.no_grad():
        backbone(torch.zeros(1, 3, 224, 224))
    assert seen == [
        (32, 112), (64, 112), (128, 56), (128, 56), (256, 28), (256, 28), (512, 14), (512, 14), (512, 14), (512, 14),
        (512, 14), (512, 14), (1024, 7), (1024, 7),
    ]  # fmt: skip


def test_widths_of_section_3_3():
    for width, channels in ((0.25, [16, 32, 64, 128, 256]), (0.75, [48, 96, 192, 384, 768])):
        features = MobileNetV1(width=width).features
        assert [features[f"c{level}"].channels for level in range(1, 6)] == channels


def test_first_and_depthwise_maps():
    features = MobileNetV1().features
    assert [(features[name].channels, features[name].reduction) for name in ("c1_depthwise", "c2_depthwise")] == [
        (32, 2),
        (128, 4),
    ]
    assert (features["c5_first"].channels, features["c5_depthwise"].channels) == (1024, 1024)


def test_dilation_starts_behind_the_block_that_lost_its_stride():
    def rates(rule):
        blocks = MobileNetV1(output_stride=16, dilation_rule=rule).blocks[1:]
        return [block.depthwise[0].dilation[0] for block in blocks]

    assert rates("paper") == [1] * 12 + [2]
    assert rates("torchvision") == [1] * 11 + [2] * 2


def test_norm_is_tensorflows():
    norms = [module for module in MobileNetV1(width=0.25).modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(norms) == 27 and {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.01)}


@pytest.mark.parametrize(
    "choices",
    [{"convolution": "full"}, {"shallow": True}, {"convolution": "full", "shallow": True, "output_stride": 16}],
)
def test_baselines_announce_their_maps_and_learn(choices):
    backbone = MobileNetV1(width=0.25, **choices)
    maps = backbone(torch.randn(2, 3, 64, 96))
    assert {name: (*each.shape[1:],) for name, each in maps.items()} == {
        name: (channels, 64 // reduction, 96 // reduction)
        for name, (channels, reduction, _) in backbone.features.items()
    }
    sum(each.square().mean() for each in maps.values()).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_the_plain_twin_has_the_same_maps_but_the_depthwise_ones():
    """Table 4: 3×3 convolutions of the same channels and strides; LR-ASPP reads c3 there."""
    with torch.device("meta"):
        plain, separable = MobileNetV1(convolution="full"), MobileNetV1()
        low = [LRASPP(net.features, 19, low=["c3_depthwise", "c3"], high="c5").maps[0] for net in (plain, separable)]
    assert low == ["c3", "c3_depthwise"]
    assert plain.features == {name: f for name, f in separable.features.items() if "depthwise" not in name}
    convolutions = [module for module in plain.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) == 14 and {(conv.kernel_size, conv.groups) for conv in convolutions} == {((3, 3), 1)}


def test_the_shallow_network_has_one_layer_of_14_by_14():
    """Table 5: without the five layers of 14×14×512; every other layer as it is."""
    with torch.device("meta"):
        shallow, full = MobileNetV1(shallow=True), MobileNetV1()
    assert len(full.blocks) - len(shallow.blocks) == 5
    assert [shallow.features[f"c{level}"] for level in range(1, 6)] == [full.features[f"c{n}"] for n in range(1, 6)]


def test_a_baseline_that_does_not_exist():
    with pytest.raises(ValueError, match="convolution='plain' is not one of separable, full"):
        MobileNetV1(convolution="plain")
