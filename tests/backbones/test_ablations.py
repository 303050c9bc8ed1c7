"""The ablations of MobileNetV2's and V3's papers: each choice changes what it says and nothing else."""

import pytest
import torch
from torch import nn

from backbones.blocks import ReLU, Swish
from backbones.expansions import ExpansionResidual
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3_variants import MobileNetV3
from heads.classification import ClassificationHead
from heads.sizes import measure

VARIANTS = {
    "relu6 bottleneck": lambda: MobileNetV2(bottleneck="relu6"),
    "expansion shortcut": lambda: MobileNetV2(shortcut="expansion"),
    "expansion shortcut, dilated": lambda: MobileNetV2(shortcut="expansion", output_stride=16),
    "no shortcut": lambda: MobileNetV2(shortcut="none"),
    "hard-swish everywhere": lambda: MobileNetV3(size="large", activation="hard_swish"),
    "relu": lambda: MobileNetV3(size="small", activation="relu"),
    "swish": lambda: MobileNetV3(size="small", activation="swish", stem=32, excite_width="bottleneck"),
    "no squeeze-and-excite": lambda: MobileNetV3(size="small", excite=False),
    "original last stage": lambda: MobileNetV3(size="large", last_stage="original"),
    "strides left out": lambda: MobileNetV3(size="small", skip_strides=2),
}


def kinds(backbone: nn.Module, kind: type[nn.Module]) -> int:
    return sum(isinstance(module, kind) for module in backbone.modules())


@pytest.mark.parametrize("name", VARIANTS)
def test_announced_is_real_and_every_parameter_learns(name):
    backbone = VARIANTS[name]()
    maps = backbone(torch.randn(2, 3, 64, 96))
    assert set(maps) == set(backbone.features)
    for key, feature in backbone.features.items():
        assert maps[key].shape == (2, feature.channels, 64 // feature.reduction, 96 // feature.reduction), key
    sum(tensor.square().mean() for tensor in maps.values()).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters())


def test_shortcuts_between_expansions_by_hand():
    """The same layers chained by hand, with the wide maps added where channels and size agree."""
    torch.manual_seed(0)
    plain, backbone = MobileNetV2(shortcut="none").eval(), MobileNetV2(shortcut="expansion").eval()
    for ours, theirs in zip(backbone.state_dict().values(), plain.state_dict().values(), strict=True):
        ours.copy_(theirs)  # the same layers in the same order
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        maps, wide, shortcuts = backbone(x), plain.blocks[0](x), 0
        for number in range(1, 18):
            narrow = plain.blocks[number].project(plain.blocks[number].depthwise(wide))
            if number == 17:
                break
            out = plain.blocks[number + 1].expand(narrow)
            shortcuts += (joined := out.shape == wide.shape)
            wide = wide + out if joined else out
    torch.testing.assert_close(maps["c5_bottleneck"], narrow)
    assert shortcuts == sum(block.residual for block in backbone.blocks if isinstance(block, ExpansionResidual)) == 10


@pytest.mark.parametrize("names", [["c3_depthwise"], ["c4_expanded", "c2"], ["c5_bottleneck", "c3"], ["c4"]])
def test_keep_with_shortcuts_between_expansions(names):
    torch.manual_seed(0)
    backbone, images = MobileNetV2(shortcut="expansion").eval(), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = backbone(images)
        backbone.keep(names)
        after = backbone(images)
    assert set(after) == set(names) and all(torch.equal(after[name], before[name]) for name in names)
    sum(tensor.mean() for tensor in backbone.train()(torch.randn(2, 3, 64, 64)).values()).backward()
    assert all(parameter.grad is not None for parameter in backbone.parameters()), "a layer that nobody needs is left"


def test_a_relu6_bottleneck_has_no_negative_output():
    linear, bent = (MobileNetV2(bottleneck=kind) for kind in ("linear", "relu6"))
    x = torch.randn(2, 3, 64, 64)
    assert linear(x)["c3"].min() < 0 <= bent(x)["c1"].min()
    assert kinds(bent, nn.ReLU6) - kinds(linear, nn.ReLU6) == 17


def test_activations_and_gates_are_where_they_are_wanted():
    assert (
        kinds(MobileNetV3(size="large"), nn.ReLU) == 1 + 5 * 2 + 8
    )  # 6 blocks in the first half, 8 gates' inner ReLUs
    everywhere = MobileNetV3(size="large", activation="hard_swish")
    assert kinds(everywhere, nn.ReLU) == 8 and kinds(everywhere, nn.Hardswish) == 1 + 1 + 14 * 2 + 1
    nowhere = MobileNetV3(size="large", activation="relu")
    assert kinds(nowhere, nn.Hardswish) == 0 and not isinstance(nowhere.features["c5"].hidden.act(), nn.Hardswish)
    assert kinds(MobileNetV3(size="large"), nn.Hardsigmoid) == 8
    assert kinds(MobileNetV3(size="large", excite=False), nn.Hardsigmoid) == 0
    gates = [b.excite.reduce for b in MobileNetV3(size="large").blocks[1:-1] if hasattr(b.excite, "reduce")]
    assert [(g.in_channels, g.out_channels) for g in gates[-3:]] == [(672, 168), (960, 240), (960, 240)]


def plan_with(size="large", **choices):
    with torch.device("meta"):
        return MobileNetV3(size=size, **choices).plan


def swishes(*arguments, **choices):
    """Whether each block has a swish."""
    return [block.act is not ReLU for block in plan_with(*arguments, **choices).blocks]


@pytest.mark.parametrize(("size", "papers", "blocks"), [("large", 80, 6), ("small", 40, 3)])
def test_hard_swish_from_a_number_of_channels(size, papers, blocks):
    """Table 5 and figure 8: N = 80 is Large's own, N = 16 is everywhere."""
    paper, swish = plan_with(size), plan_with(size, activation="swish")
    assert plan_with(size, activation=f"hard_swish@{papers}") == paper
    assert plan_with(size, activation=f"swish@{papers}") == swish != paper
    assert plan_with(size, activation="hard_swish@16") == plan_with(size, activation="hard_swish")
    assert {block.act for block in swish.blocks} == {ReLU, Swish} and swish.act is swish.hidden.act is Swish
    assert (
        swishes(size) == swishes(size, activation="swish") == [False] * blocks + [True] * (len(paper.blocks) - blocks)
    )


def test_hard_swish_begins_at_the_tables_channels_at_every_width():
    late = plan_with(activation="hard_swish@112", width=0.5)
    assert [block.act is not ReLU for block in late.blocks] == [False] * 10 + [True] * 5
    assert late.act is late.hidden.act is not ReLU
    assert swishes(activation="hard_swish@24", tail="segmentation") == [False] + [True] * 14


def costs(**choices):
    with torch.device("meta"):
        backbone = MobileNetV3(size="large", **choices)
        return measure(backbone, ClassificationHead(backbone.features, 1000), 224, 224)


def test_a_stem_of_16_filters_saves_what_the_paper_says():
    """Section 5.1: another 10 million multiply-adds; only the first block feels it."""
    assert 10e6 <= costs(stem=32).madds - costs().madds <= 10.5e6
    wide, own = plan_with(stem=32), plan_with()
    assert wide.stem == wide.blocks[0].expanded == 32 and wide.blocks[0].out == 16 and wide.blocks[1:] == own.blocks[1:]


def test_gates_relative_to_the_expansion_are_a_modest_increase():
    """Section 5.3: more parameters than with MnasNet's rule, at hardly any cost."""
    narrow, wide = costs(excite_width="bottleneck"), costs()
    assert [block.excite_hidden for block in plan_with(excite_width="bottleneck").blocks[3:6]] == [6, 10, 10]
    assert 1.1 < wide.params / narrow.params < 1.5 and 1 < wide.madds / narrow.madds < 1.01


def test_the_efficient_last_stage_saves_what_the_paper_says():
    """Section 5.1: about 30 million multiply-adds less, a tenth of the whole."""
    assert 30e6 <= costs(last_stage="original").madds - costs().madds <= 36e6


def test_strides_left_out_see_small_images_as_larger_ones():
    backbone = MobileNetV2(skip_strides=2)
    assert [backbone.features[f"c{n}"].reduction for n in range(1, 6)] == [1, 1, 2, 4, 8]
    assert backbone.eval()(torch.randn(1, 3, 32, 32))["c5"].shape == (1, 1280, 4, 4)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: MobileNetV2(bottleneck="bent"), "bottleneck='bent' is not one of linear, relu6"),
        (lambda: MobileNetV2(shortcut="wide"), "shortcut='wide' is not one of bottleneck, expansion, none"),
        (
            lambda: MobileNetV3(size="small", activation="hard_swish@80"),
            "activation='hard_swish@80' is not one of paper, relu, hard_swish, swish, hard_swish@16, hard_swish@24, "
            "hard_swish@40, hard_swish@48, hard_swish@96, swish@16",
        ),
        (lambda: MobileNetV3(size="large", activation="relu@80"), "activation='relu@80' is not one of paper, relu"),
        (lambda: MobileNetV3(size="large", stem=24), "stem=24 is not one of 16, 32"),
        (lambda: MobileNetV3(size="large", excite_width="wide"), "excite_width='wide' is not one of expansion"),
        (lambda: MobileNetV3(size="small", minimalistic=True, activation="swish"), "leave activation=paper"),
        (lambda: MobileNetV3(size="large", last_stage="old"), "last_stage='old' is not one of efficient, original"),
        (lambda: MobileNetV3(size="large", last_stage="original", tail="detection"), "tail=detection must be full"),
        (lambda: MobileNetV3(size="small", minimalistic=True, activation="hard_swish"), "leave activation=paper"),
        (lambda: MobileNetV2(skip_strides=4), "skip_strides=4 is not one of 0, 1, 2, 3"),
    ],
)
def test_wrong_choices_are_named(build, message):
    with pytest.raises(ValueError, match=message):
        build()
