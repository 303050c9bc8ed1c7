"""Backbones against torchvision with copied random weights, bit for bit, and against their own announcements."""

import pytest
import torch
from torch import nn
from torchvision.models import mobilenet_v2, mobilenet_v3_large, mobilenet_v3_small

from backbones.base import Backbone
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from backbones.weights import load_layers

BACKBONES = {
    "mobilenet_v2": (MobileNetV2, mobilenet_v2, {}),
    "mobilenet_v3_large": (MobileNetV3, mobilenet_v3_large, {"size": "large", "width_rule": "torchvision"}),
    "mobilenet_v3_small": (MobileNetV3, mobilenet_v3_small, {"size": "small", "width_rule": "torchvision"}),
}


def scrambled(network: nn.Module) -> nn.Module:
    """Random weights and statistics, so that no layer is an identity by accident."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise.abs() + 0.5 if "running_var" in name else noise * 0.1 + tensor)
    return network.eval()


def dilated(network: nn.Module) -> nn.Module:
    """torchvision's network at output stride 16, by the rule of its own `dilated=True`: V2 has no such option."""
    depthwise = [m for m in network.features.modules() if isinstance(m, nn.Conv2d) and m.groups > 1]
    last = max(i for i, conv in enumerate(depthwise) if conv.stride == (2, 2))
    for conv in depthwise[last:]:
        conv.stride, conv.dilation = (1, 1), (2, 2)
        conv.padding = (conv.kernel_size[0] - 1, conv.kernel_size[1] - 1)
    return network


def reference_maps(network: nn.Module, backbone: Backbone, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What torchvision's network computes at the places where our maps leave, by forward hooks."""
    found = {}

    def catch(name: str):
        return lambda _module, _inputs, output: found.__setitem__(name, output.clone())

    for name, tap in backbone.taps.items():
        block = network.features[tap.block]
        if tap.place != "out":
            layers = list((block.conv if hasattr(block, "conv") else block.block).children())
            convolutions = [layer for layer in layers if isinstance(layer, nn.Sequential)]
            wide = isinstance(backbone.blocks[tap.block].expand, nn.Sequential)
            block = convolutions[int(wide) if tap.place == "depthwise" else 0]
        block.register_forward_hook(catch(name))
    network.features(images)
    return found


@pytest.mark.parametrize("output_stride", [32, 16])
@pytest.mark.parametrize("width", [1.0, 0.75, 0.5])
@pytest.mark.parametrize("name", BACKBONES)
def test_every_map_equals_torchvision(name, width, output_stride):
    ours, theirs, options = BACKBONES[name]
    backbone = ours(width=width, output_stride=output_stride, dilation_rule="torchvision", **options).eval()
    network = scrambled(theirs(width_mult=width))
    if output_stride == 16:
        network = dilated(network)
    loaded = load_layers(backbone, network.state_dict(), "torchvision")
    assert all(name.startswith("classifier") for name in loaded.rest)
    images = torch.randn(2, 3, 38, 67, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, expected = backbone(images), reference_maps(network, backbone, images)
    assert set(maps) == set(backbone.features) == set(expected)
    assert {"c1", "c2", "c3", "c4", "c5", "c3_first", "c3_depthwise", "c4_expanded"} <= set(maps)
    for key, tensor in maps.items():
        assert torch.equal(tensor, expected[key]), key


@pytest.mark.parametrize("size", ["large", "small"])
def test_our_dilation_is_torchvisions(size):
    """The hand-made reference above really is torchvision's own dilated network."""
    theirs = {"large": mobilenet_v3_large, "small": mobilenet_v3_small}[size]
    dilations = [
        [m.dilation for m in net.features.modules() if isinstance(m, nn.Conv2d)]
        for net in (theirs(dilated=True), dilated(theirs()))
    ]
    assert dilations[0] == dilations[1]


VARIANTS = [
    (ours, {**{k: v for k, v in options.items() if k != "width_rule"}, **extra})
    for ours, _, options in BACKBONES.values()
    for extra in ({"output_stride": 8}, {"output_stride": 16, "tail": "segmentation"}, {"width": 0.35})
]


@pytest.mark.parametrize(("build", "options"), VARIANTS)
def test_announced_is_real_and_every_parameter_learns(build, options):
    backbone = build(**options)
    maps = backbone(torch.randn(2, 3, 64, 96))
    for name, feature in backbone.features.items():
        assert maps[name].shape == (2, feature.channels, 64 // feature.reduction, 96 // feature.reduction), name
    sum(tensor.square().mean() for tensor in maps.values()).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


@pytest.mark.parametrize("names", [["c3_depthwise"], ["c4_expanded", "c2"], ["c5_bottleneck", "c3"], ["c5"]])
def test_keep_computes_the_same_maps_with_fewer_layers(names):
    torch.manual_seed(0)
    backbone = MobileNetV2().eval()
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = backbone(images)
        parameters = sum(p.numel() for p in backbone.parameters())
        backbone.keep(names)
        after = backbone(images)
    assert list(after) == [name for name in before if name in names]
    assert all(torch.equal(after[name], before[name]) for name in names)
    if "c5" not in names:
        assert sum(p.numel() for p in backbone.parameters()) < parameters
    sum(tensor.mean() for tensor in backbone.train()(torch.randn(2, 3, 64, 64)).values()).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters()), "a layer that nobody needs is left"


def test_paper_dilates_one_block_later_than_torchvision():
    rates = {
        rule: [
            block.depthwise[0].dilation[0] for block in MobileNetV2(output_stride=16, dilation_rule=rule).blocks[1:-1]
        ]
        for rule in ("paper", "torchvision")
    }
    assert rates["paper"] == [1] * 14 + [2] * 3
    assert rates["torchvision"] == [1] * 13 + [2] * 4
    rates8 = [block.depthwise[0].dilation[0] for block in MobileNetV2(output_stride=8).blocks[1:-1]]
    assert rates8 == [1] * 7 + [2] * 7 + [4] * 3


def test_tails_have_the_papers_channels():
    shapes = {
        tail: [
            (b.expand[0].out_channels, b.project[0].out_channels)
            for b in MobileNetV3(size="large", tail=tail).blocks[13:16]
        ]
        for tail in ("full", "segmentation", "detection")
    }
    assert shapes["full"] == [(672, 160), (960, 160), (960, 160)]
    assert shapes["segmentation"] == [(336, 80), (480, 80), (480, 80)]
    assert shapes["detection"] == [(672, 80), (480, 80), (480, 80)]


def test_uint8_images_are_normalised_inside():
    backbone = MobileNetV3(size="small").eval()
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    normalised = (images / 255 - mean[:, None, None]) / std[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(backbone(images)["c5"], backbone(normalised)["c5"], rtol=1e-4, atol=1e-5)


def test_wrong_choices_are_named():
    with pytest.raises(ValueError, match="output_stride=4 is not one of 8, 16, 32"):
        MobileNetV2(output_stride=4)
    with pytest.raises(ValueError, match="tail='rf2' is not one of full, segmentation, detection"):
        MobileNetV3(size="large", tail="rf2")
    with pytest.raises(ValueError, match="no feature map 'c9'"):
        MobileNetV2().keep(["c9"])


def test_convolutions_start_by_their_fan_out():
    torch.manual_seed(0)
    last = MobileNetV3(size="small").blocks[-1][0]  # 96 channels in, 576 out
    assert last.weight.std().item() == pytest.approx((2 / 576) ** 0.5, rel=0.03)
    stem = MobileNetV2(width=2.0).blocks[0][0]  # 3×3, 3 channels in, 64 out
    assert stem.weight.std().item() == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.1)
