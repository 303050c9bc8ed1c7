"""MobileNetV2 + CSE: the published sizes exactly, each contradiction's sizes, gates and blocks by hand."""

import pytest
import torch
from torch import nn

from backbones.cse import GatedResidual, ShortcutInvertedResidual, SpatialGate
from backbones.errors import ImageSizeError
from backbones.mobilenet_v2_cse import MobileNetV2CSE
from backbones.published.se import CSE
from heads.classification import ClassificationHead
from heads.sizes import measure

TEXTS = {"cap": 16, "stride": "before_gate"}
IMAGENETTE = {"layout": "imagenette", "resolution": 224}

AROUND_STRIDE_2 = 34 * 64 + 66 * 96 + 162 * 320  # 1×1 convolutions with normalisation, (in + 2) · out
AROUND_STRIDE_1 = 34 * 16 + 18 * 24 + 26 * 32 + 98 * 160


@pytest.mark.parametrize(
    ("classes", "options", "params"),
    [
        (10, {}, 362_992),  # published: 0.363M
        (100, {}, 478_282),  # 0.478M
        (10, TEXTS, 363_024),
        (100, TEXTS, 478_314),
        (10, IMAGENETTE, 443_776),  # 0.444M
        (10, {"resolution": 224}, 443_776),
        (10, {"variant": "optimized"}, 425_498),  # 0.425M
        (100, {"variant": "optimized"}, 540_788),  # 0.541M
        (10, {"variant": "cse_only"}, 227_952),  # 0.228M
        (10, {"variant": "cse_only", "resolution": 224}, 452_508),  # 0.453M
        (10, {"cap": 16}, 395_760),
        (10, {"cap": 16, "cap_bound": "lower"}, 503_280),
        (10, {**TEXTS, "cap_bound": "lower"}, 372_720),
        (10, {"cap": 8, "stride": "before_gate", "cap_bound": "lower"}, 366_320),
        (10, {"repeats": "table1"}, 339_312),
        (10, {"repeats": "table1", "cap": 16}, 372_080),
        (10, {"repeats": "table1", **TEXTS}, 339_344),
        (10, {"act": "relu6"}, 362_992 - 22),  # 11 gated blocks with 2 slopes
        (10, {"stride": "depthwise", "cap": 16}, 363_024 - 4 * (64 + 96 + 320)),  # no 2×2 convolutions
        (10, {"shortcut": "stride_1"}, 362_992 - AROUND_STRIDE_2),
        (10, {"shortcut": "same_shape"}, 362_992 - AROUND_STRIDE_2 - AROUND_STRIDE_1),
    ],
)
def test_params(classes, options, params):
    with torch.device("meta"):
        backbone = MobileNetV2CSE(**options)
    assert sum(parameter.numel() for parameter in backbone.parameters()) + 1281 * classes == params


@pytest.mark.parametrize("row", CSE, ids=lambda row: row.variant)
def test_published_sizes(row):
    with torch.device("meta"):
        backbone = row.build()
        head = ClassificationHead(backbone.features, row.classes)
    size = measure(backbone, head, row.size, row.size)
    assert size.params / 1e6 == pytest.approx(row.measured[0], rel=0.0005)
    assert size.madds / 1e6 == pytest.approx(row.measured[1], rel=0.0005)
    printed = {"CIFAR-10": 362_992, "CIFAR-100": 478_282, "Imagenette": 443_776}
    assert size.params == printed.get(row.variant, size.params)
    madds = {"CIFAR-10": 81.4, "Imagenette": 608.2}
    assert size.madds / 1e6 == pytest.approx(madds.get(row.variant, size.madds / 1e6), abs=0.05)
    exact = row.backbone == "mobilenet_v2_cse"
    assert (f"{size.params / 1e6:.3f}M" == row.paper) == exact
    assert ("not identified" in row.note) != exact


OPTIONS = [
    {},
    TEXTS,
    {"stride": "depthwise", "act": "relu6", "cap_bound": "lower"},
    {"shortcut": "stride_1", "repeats": "table1"},
    {"shortcut": "same_shape", "resolution": 64},
    {"layout": "imagenette", "resolution": 64},
    {"layout": "imagenette", "resolution": 64, "stride": "depthwise"},
    {"variant": "optimized"},
    {"variant": "cse_only"},
    {"variant": "cse_only", "resolution": 96},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_announced_is_real_and_every_parameter_learns(options):
    backbone = MobileNetV2CSE(**options)
    size = backbone.resolution
    maps = backbone(torch.randn(2, 3, size, size))
    assert list(maps) == ["c1", "c2", "c3", "c4", "c5"]
    for name, feature in backbone.features.items():
        assert maps[name].shape == (2, feature.channels, size // feature.reduction, size // feature.reduction), name
    maps["c5"].square().mean().backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_announced_channels_and_reductions():
    with torch.device("meta"):
        cifar, imagenette = MobileNetV2CSE(), MobileNetV2CSE(**IMAGENETTE)
    assert {n: (f.channels, f.reduction) for n, f in cifar.features.items()} == {
        "c1": (16, 1), "c2": (32, 1), "c3": (64, 2), "c4": (160, 4), "c5": (1280, 8)
    }  # fmt: skip
    assert {n: (f.channels, f.reduction) for n, f in imagenette.features.items()} == {
        "c1": (16, 1), "c2": (24, 2), "c3": (32, 4), "c4": (64, 8), "c5": (1280, 16)
    }  # fmt: skip


def gate_of() -> SpatialGate:
    """For 2×2 maps: the first place's mean m is seen, and opens the four places by 0, m, 2m and -m."""
    gate = SpatialGate(2, cap=8, cap_bound="upper")
    gate.reduce.weight.data = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    gate.expand.weight.data = torch.tensor([[0.0], [1.0], [2.0], [-1.0]])
    return gate


def test_gate_by_hand():
    x = torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 0.0], [0.0, -1.0]]]).unsqueeze(0)  # first place's mean: 3
    opened = torch.tensor([[0.5, 0.9525741], [0.9975274, 0.0474259]])  # sigmoid of 0, 3, 6, -3
    torch.testing.assert_close(gate_of()(x), x * opened)
    torch.testing.assert_close(gate_of()(-x), -x * 0.5)  # ReLU between the layers: m = 0


def test_gate_of_a_larger_map_is_averaged_before_and_resized_after():
    x = torch.ones(1, 2, 6, 4)
    x[..., :3, :2] = torch.tensor([1.0, 5.0])  # the first of 2×2 windows, with mean 3
    gates = gate_of()(x) / x
    corners = gates[0, 1, ::5, ::3]  # beyond the outermost centres resizing repeats them
    torch.testing.assert_close(corners, torch.tensor([[0.5, 0.9525741], [0.9975274, 0.0474259]]))


def test_width_inside_the_gates():
    def hidden(**options):
        with torch.device("meta"):
            blocks = MobileNetV2CSE(**options).blocks
        return [block.gate.reduce.out_features for block in blocks if isinstance(block, GatedResidual)]

    assert hidden() == [8] * 5 + [4] * 6
    assert hidden(cap=16) == [16] * 5 + [4] * 6
    assert hidden(cap_bound="lower") == [64] + [16] * 4 + [8] * 6
    assert hidden(**TEXTS) == [16] * 4 + [4] * 6 + [1]


@pytest.mark.parametrize("stride_place", ["after_gate", "before_gate", "depthwise"])
def test_where_the_gate_and_the_stride_stand(stride_place):
    torch.manual_seed(0)
    block = GatedResidual(
        4, 6, 8, stride=2, stride_place=stride_place, cap=8, cap_bound="upper", shortcut="always",
        act=nn.PReLU, norm=nn.BatchNorm2d,
    ).eval()  # fmt: skip
    nn.init.zeros_(block.gate.expand.weight)  # every gate is half open
    x = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        inside, around = block.convs(x), block.shortcut(x)
        expected = {
            "after_gate": lambda: block.halve(0.5 * inside + around),
            "before_gate": lambda: 0.5 * block.halve(inside + around),
            "depthwise": lambda: 0.5 * inside + around,
        }
        torch.testing.assert_close(block(x), expected[stride_place]())
    assert block(x).shape == (2, 6, 4, 4)
    assert block.gate.size == ((8, 8) if stride_place == "after_gate" else (4, 4))


def test_inverted_residual_keeps_its_expansion_and_its_shortcut():
    norm = nn.BatchNorm2d
    block = ShortcutInvertedResidual(4, 4, 4, stride=1, shortcut="always", norm=norm).eval()
    assert len(block.convs) == 3
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(block(x), block.convs(x) + x)
    assert ShortcutInvertedResidual(4, 8, 6, stride=2, shortcut="always", norm=norm).shortcut is None
    assert ShortcutInvertedResidual(4, 8, 6, stride=1, shortcut="same_shape", norm=norm).shortcut is None


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((96, 96), "train with backbone.resolution=96 (a multiple of 8), or with backbone.adapt=true"),
        ((64, 48), "train with image_size=[32,32], or with backbone.adapt=true"),
        ((36, 36), "train with image_size=[32,32], or with backbone.adapt=true"),
    ],
)
def test_images_of_another_size_are_refused_with_what_to_type(size, message):
    with torch.device("meta"), pytest.raises(ImageSizeError) as error:
        MobileNetV2CSE()(torch.zeros(1, 3, *size))
    shown = "{}×{}".format(*size)
    assert str(error.value) == f"images are {shown}, the network was built for 32×32: {message}"


def test_a_network_that_adapts_takes_images_of_any_size():
    backbone = MobileNetV2CSE().eval()
    adapting = MobileNetV2CSE(adapt=True).eval()
    adapting.load_state_dict(backbone.state_dict())
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(adapting(images)["c5"], backbone(images)["c5"])
        assert adapting(torch.zeros(1, 3, 64, 48))["c5"].shape == (1, 1280, 8, 6)
        assert adapting(torch.zeros(1, 3, 37, 21))["c5"].shape[:2] == (1, 1280)


def test_a_network_without_gates_takes_images_of_any_size():
    with torch.device("meta"):
        maps = MobileNetV2CSE(variant="optimized")(torch.zeros(1, 3, 40, 64))
    assert maps["c5"].shape == (1, 1280, 5, 8)


def test_the_layout_follows_the_resolution():
    with torch.device("meta"):
        reductions = {side: MobileNetV2CSE(resolution=side).features["c5"].reduction for side in (32, 64, 96, 160)}
        assert MobileNetV2CSE(resolution=96, layout="cifar").features["c5"].reduction == 8
    assert reductions == {32: 8, 64: 8, 96: 16, 160: 16}


def test_convolution_without_normalisation_keeps_the_scale():
    torch.manual_seed(0)
    block = next(
        block for block in MobileNetV2CSE().blocks if hasattr(block, "halve") and len(block.halve.state_dict())
    )
    x = torch.randn(4, 64, 16, 16)
    assert block.halve(x).std().item() == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layout": "imagenet"}, "layout='imagenet' is not one of cifar, imagenette"),
        ({"resolution": 36}, "resolution=36 is not a multiple of 8, layout 'cifar''s reduction"),
        ({"resolution": 0}, "resolution=0 is not a multiple of 8, layout 'cifar''s reduction"),
        ({"resolution": 72}, "resolution=72 is not a multiple of 16, layout 'imagenette''s reduction"),
        ({"variant": "mixed"}, "variant='mixed' is not one of mix, optimized, cse_only"),
        ({"variant": "optimized", "repeats": "table1"}, "repeats=table1 is for variant=mix; optimized has its own"),
        ({"cap": 0}, "cap=0 leaves the gates no width; it must be 1 or more"),
        ({"cap_bound": "both"}, "cap_bound='both' is not one of upper, lower"),
        ({"stride": 2}, "stride=2 is not one of after_gate, before_gate, depthwise"),
        ({"repeats": 3}, "repeats=3 is not one of code, table1"),
        ({"shortcut": "never"}, "shortcut='never' is not one of always, stride_1, same_shape"),
        ({"act": "relu"}, "act='relu' is not one of prelu, relu6"),
    ],
)
def test_wrong_choices_are_named(options, message):
    with pytest.raises(ValueError) as error:
        MobileNetV2CSE(**options)
    assert str(error.value) == message
