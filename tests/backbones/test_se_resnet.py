"""SE-ResNet: ResNet-50 and -101 against torchvision bit for bit, gates by hand, published sizes."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import resnet50, resnet101

from backbones.published.se import RESNETS
from backbones.se_resnet import Bottleneck, ChannelGate, Gate, SEResNet
from backbones.stages import Step
from backbones.weights import load_layers
from heads.classification import ClassificationHead
from heads.sizes import measure

STAGES = {"c1": "relu", "c2": "layer1", "c3": "layer2", "c4": "layer3", "c5": "layer4"}


def scrambled(network: nn.Module) -> nn.Module:
    """Random weights and statistics, so that no layer is an identity by accident."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise.abs() + 0.5 if "running_var" in name else noise * 0.1 + tensor)
    return network.eval()


def torchvision_maps(network: nn.Module, images: torch.Tensor) -> dict[str, torch.Tensor]:
    """What torchvision's network computes at the places where our maps leave, and its logits."""
    found = {}
    for name, layer in STAGES.items():
        getattr(network, layer).register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out.clone()}))
    return {"logits": network(images), **found}


@pytest.mark.parametrize(
    ("stride_in", "output_stride", "replaced"),
    [
        ("3x3", 32, [False, False, False]),
        ("3x3", 16, [False, False, True]),
        ("3x3", 8, [False, True, True]),
        ("1x1", 32, [False, False, False]),
    ],
)
def test_resnet50_equals_torchvision_bit_for_bit(stride_in, output_stride, replaced):
    theirs = scrambled(resnet50(num_classes=10, replace_stride_with_dilation=replaced))
    if stride_in == "1x1":  # torchvision has no such option: move its strides by hand
        for block in (theirs.layer2[0], theirs.layer3[0], theirs.layer4[0]):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride
    check_equal(SEResNet(reduction=None, stride_in=stride_in, output_stride=output_stride), theirs)


def test_resnet101_equals_torchvision_bit_for_bit():
    check_equal(SEResNet(depth=101, reduction=None), scrambled(resnet101(num_classes=10)))


def test_width_multiplies_every_channel():
    ours = SEResNet(depth=101, reduction=None, width=0.25)
    assert [feature.channels for feature in ours.features.values()] == [16, 64, 128, 256, 512]
    assert [block.conv3x3[0].out_channels for block in ours.blocks[2:]] == [16] * 3 + [32] * 4 + [64] * 23 + [128] * 3


def check_equal(ours: SEResNet, theirs: nn.Module) -> None:
    """Every map and the logits, with torchvision's weights loaded by position."""
    loaded = load_layers(ours.eval(), theirs.state_dict(), "torchvision")
    assert list(loaded.rest) == ["fc.weight", "fc.bias"]
    head = ClassificationHead(ours.features, 10).eval()
    head.classify.load_state_dict(theirs.fc.state_dict())
    images = torch.randn(2, 3, 38, 67, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps, expected = ours(images), torchvision_maps(theirs, images)
        maps["logits"] = head(maps)
    assert set(maps) == set(expected) == {"c1", "c2", "c3", "c4", "c5", "logits"}
    for name, tensor in maps.items():
        assert (tensor - expected[name]).abs().max() == 0, name


def test_se_resnet101_with_biases_has_the_size_of_timms():
    with torch.device("meta"):
        parameters = SEResNet(depth=101, bias=True).parameters()
    assert sum(parameter.numel() for parameter in parameters) == 49_326_872 - 2049 * 1000  # without the classifier


PARAMS = {
    "resnet50 ": 25_557_032,
    "resnet50 stride in 1×1": 25_557_032,
    "resnet101 ": 44_549_160,
    "resnet101 stride in 1×1": 44_549_160,
    "se_resnet50 ": 28_071_976,
    "se_resnet50 stride in 1×1": 28_071_976,
    "se_resnet50 r=2": 45_676_584,
    "se_resnet50 r=4": 35_616_808,
    "se_resnet50 r=8": 30_586_920,
    "se_resnet50 r=32": 26_814_504,
    "se_resnet50 gates with bias": 28_088_024,
    "se_resnet50 stage 2": 25_581_608,
    "se_resnet50 pre": 27_548_200,
    "se_resnet50 post": 28_071_976,
    "se_resnet50 identity": 28_071_976,
    "se_resnet50 conv3x3": 25_714_216,
}
MADDS = {
    "resnet50 ": 4.089,
    "resnet50 stride in 1×1": 3.858,
    "resnet101 ": 7.801,
    "se_resnet50 ": 4.092,
    "se_resnet50 stride in 1×1": 3.8605,
    "se_resnet50 no squeeze": 4.269,
}


@pytest.mark.parametrize("row", RESNETS, ids=lambda row: f"{row.backbone} {row.variant}")
def test_published_sizes(row):
    with torch.device("meta"):
        backbone = row.build()
        head = ClassificationHead(backbone.features, row.classes)
    size, name = measure(backbone, head, row.size, row.size), f"{row.backbone} {row.variant}"
    assert size.params / 1e6 == pytest.approx(row.measured[0], rel=0.0005)
    assert size.madds / 1e6 == pytest.approx(row.measured[1], rel=0.0005)
    assert size.params == PARAMS.get(name, size.params)
    assert size.madds / 1e9 == pytest.approx(MADDS.get(name, size.madds / 1e9), abs=0.0005)
    for figure in row.paper.replace("-", "").split():
        printed, ours = float(figure[:-1]), size.params / 1e6 if figure.endswith("M") else size.madds / 1e9
        assert ours == pytest.approx(printed, rel=0.005), figure


OPTIONS = [
    {"reduction": None},
    {"width": 0.06},
    {"width": 0.25, "reduction": 32, "place": "conv3x3"},
    {"output_stride": 8},
    {"skip_strides": 2, "bias": True},
    {"gated_stages": [3], "reduction": 2},
    {"squeeze": "max", "excitation": "tanh"},
    {"squeeze": "none", "excitation": "relu"},
    *({"place": place} for place in ("pre", "post", "identity", "conv3x3")),
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_announced_is_real_and_every_parameter_learns(options):
    with torch.device("meta"):
        backbone = SEResNet(**options)
        maps = backbone(torch.empty(2, 3, 64, 96))
    assert list(maps) == ["c1", "c2", "c3", "c4", "c5"]
    for name, feature in backbone.features.items():
        assert maps[name].shape == (2, feature.channels, 64 // feature.reduction, 96 // feature.reduction), name
    maps["c5"].square().mean().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_announced_reductions():
    def reductions(**options):
        with torch.device("meta"):
            return [feature.reduction for feature in SEResNet(**options).features.values()]

    assert reductions() == [2, 4, 8, 16, 32]
    assert reductions(output_stride=16) == [2, 4, 8, 16, 16]
    assert reductions(skip_strides=2) == [1, 1, 2, 4, 8]


def test_gates_stand_in_the_stages_asked_for():
    with torch.device("meta"):
        backbone = SEResNet(gated_stages=[2, 4])
    gated = [isinstance(block.gate, ChannelGate) for block in backbone.blocks[2:]]
    assert gated == [True] * 3 + [False] * 4 + [True] * 6 + [False] * 3


def gate_of(squeeze="avg", excitation="sigmoid") -> ChannelGate:
    """Two channels: the first one's squeeze s1 is seen, and opens them by 1·s1 and 2·s1."""
    gate = ChannelGate(2, Gate("standard", 2, squeeze, excitation, False))
    gate.reduce.weight.data = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1)
    gate.expand.weight.data = torch.tensor([1.0, 2.0]).view(2, 1, 1, 1)
    return gate


@pytest.mark.parametrize(
    ("squeeze", "excitation", "opened"),
    [
        ("avg", "relu", [[2.0, 2.0], [4.0, 4.0]]),
        ("max", "relu", [[3.0, 3.0], [6.0, 6.0]]),
        ("none", "relu", [[1.0, 3.0], [2.0, 6.0]]),
        ("avg", "sigmoid", [[0.8807970, 0.8807970], [0.9820138, 0.9820138]]),
        ("avg", "tanh", [[0.9640276, 0.9640276], [0.9993293, 0.9993293]]),
    ],
)
def test_gate_by_hand(squeeze, excitation, opened):
    x = torch.tensor([[[1.0, 3.0]], [[-5.0, 10.0]]]).unsqueeze(0)  # (1, 2, 1, 2); channel 1: mean 2, maximum 3
    expected = x * torch.tensor(opened).view(1, 2, 1, 2)
    torch.testing.assert_close(gate_of(squeeze, excitation)(x), expected)


def test_gate_has_a_relu_between_its_layers():
    x = torch.tensor([-1.0, 2.0]).view(1, 2, 1, 1)
    torch.testing.assert_close(gate_of()(x), 0.5 * x)


@pytest.mark.parametrize("place", ["standard", "pre", "post", "identity", "conv3x3"])
def test_a_closed_gate_silences_what_stands_before_it(place):
    torch.manual_seed(0)
    gate = Gate(place, 2, "avg", "relu", False)
    norm = nn.BatchNorm2d
    block = scrambled(Bottleneck(8, 4, step=Step(2, 1, False), stride_in="3x3", gate=gate, norm=norm))
    nn.init.zeros_(block.gate.expand.weight)

    def branch(x):
        return block.expand(block.conv3x3(block.reduce(x)))

    with torch.no_grad():
        x = torch.randn(2, 8, 6, 6)
        nothing = torch.zeros(2, 4, 3, 3)
        expected = {
            "standard": F.relu(block.shortcut(x)),
            "pre": F.relu(branch(0 * x) + block.shortcut(x)),
            "post": torch.zeros(2, 16, 3, 3),
            "identity": F.relu(branch(x)),
            "conv3x3": F.relu(block.expand(nothing) + block.shortcut(x)),
        }
        assert torch.equal(block(x), expected[place])
        assert not any(torch.equal(block(x), other) for name, other in expected.items() if name != place)


def test_he_initialisation():
    torch.manual_seed(0)
    weight = SEResNet().blocks[-1].conv3x3[0].weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 18}, "depth=18 is not one of 50, 101"),
        ({"reduction": 5}, "reduction=5 is not one of None, 2, 4, 8, 16, 32"),
        ({"gated_stages": [1]}, "gated_stages=1 is not one of 2, 3, 4, 5"),
        ({"squeeze": "mean"}, "squeeze='mean' is not one of avg, max, none"),
        ({"excitation": "gelu"}, "excitation='gelu' is not one of sigmoid, tanh, relu"),
        ({"place": "middle"}, "place='middle' is not one of standard, pre, post, identity, conv3x3"),
        ({"stride_in": "7x7"}, "stride_in='7x7' is not one of 1x1, 3x3"),
        ({"output_stride": 4}, "output_stride=4 is not one of 8, 16, 32"),
    ],
)
def test_wrong_choices_are_named(options, message):
    with pytest.raises(ValueError) as error:
        SEResNet(**options)
    assert str(error.value) == message
