"""The networks that a block search chooses from."""

import pytest

from backbones.blocks import HardSwish, ReLU
from backbones.inverted import InvertedBackbone
from backbones.mnasnet import MNASNet
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from tasks.common.errors import UserError
from tasks.search.block.space import Space, stages_of

CHOICES = {
    "kernel": ["table", 3, 5],
    "expansion": ["table", 3, 4, 6],
    "excite": ["table", True, False],
    "act": ["table", "relu", "hard_swish"],
    "filters": [0.5, 0.75, 1.0, 1.25],
    "layers": [-1, 0, 1],
}
SMALL = MobileNetV3(size="small").plan


def test_stages_are_rows_that_share_their_channels():
    outs = [[row.block.out for row in rows] for rows in stages_of(SMALL)]
    assert outs == [[16], [24, 24], [40, 40, 40], [48, 48], [96, 96, 96]]


def test_a_stride_begins_a_stage_even_with_as_many_channels():
    narrow = MobileNetV3(size="small", width=0.35).plan
    strides = [[row.block.stride for row in rows] for rows in stages_of(narrow)]
    assert all(stride == 1 for rows in strides for stride in rows[1:])
    assert sum(map(len, strides)) == len(narrow.blocks)


@pytest.mark.parametrize(
    "seed", [SMALL, MobileNetV3(size="large").plan, MobileNetV2().plan, MNASNet(variant="a1").plan]
)
def test_the_seed_is_a_point(seed):
    space = Space(seed, CHOICES)
    assert space.plan(space.width(1.0)) == seed
    assert space.changes(space.width(1.0)) == "the seed"


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("width", [0.5, 0.75])
def test_width_multipliers_are_points(size, width):
    space = Space(MobileNetV3(size=size).plan, CHOICES)
    assert space.plan(space.width(width)) == MobileNetV3(size=size, width=width).plan


def test_what_is_chosen_is_built():
    space = Space(SMALL, CHOICES)
    point = space.width(1.0) | {
        "stage3.kernel": 3,
        "stage3.expansion": 6,
        "stage3.excite": False,
        "stage3.act": "relu",
        "stage3.layers": 1,
        "stage4.filters": 1.25,
    }
    blocks = space.plan(point).blocks
    third, fourth = blocks[3:7], blocks[7:9]
    assert [block[:4] for block in third] == [(3, 144, 40, 0)] + 3 * [(3, 240, 40, 0)]
    assert all(block.act is ReLU for block in third)
    assert [block.stride for block in third] == [2, 1, 1, 1]
    assert [block[:4] for block in fourth] == [(5, 120, 64, 32), (5, 192, 64, 48)]  # 48 × 1.25 = 60; 144 / 48 × 64
    assert all(block.act is HardSwish for block in fourth)
    assert blocks[:3] == SMALL.blocks[:3] and len(blocks) == len(SMALL.blocks) + 1
    assert space.changes(point) == (
        "stage3 kernel 3, expansion 6, excite false, act relu, layers +1; stage4 filters 1.25"
    )


def test_a_stage_keeps_its_stride_and_one_block():
    space = Space(SMALL, CHOICES)
    assert "stage1.layers" in space.choices and -1 in CHOICES["layers"]
    assert space.choices["stage1.layers"] == (-1, 1)  # fewer than one block is one block
    shorter = space.plan({"stage2.layers": -1}).blocks
    assert [block.stride for block in shorter[:3]] == [2, 2, 2]


def test_choices_that_make_the_same_network_are_one():
    space = Space(SMALL, CHOICES)
    assert "stage1.kernel" in space.choices and space.choices["stage1.kernel"] == ("table", 5)
    assert space.choices["stage3.act"] == ("table", "relu")
    only = Space(SMALL, CHOICES | {"kernel": ["table"], "layers": [0]})
    assert not {key for key in only.choices if key.endswith((".kernel", ".layers"))}


def test_every_kind_of_point_can_be_built():
    space = Space(SMALL, CHOICES)
    for number in range(4):  # each key's first value, then each one's second, …
        point = {key: values[number % len(values)] for key, values in space.choices.items()}
        InvertedBackbone(space.plan(point), output_stride=32, skip_strides=0, dilation_rule="paper")


def test_points_are_all_and_each_once():
    space = Space(SMALL, {knob: [CHOICES[knob][0]] for knob in CHOICES} | {"filters": [1.0], "layers": [0, 1]})
    points = list(space.points())
    assert len(points) == space.count == 2**5
    assert len({space.plan(point) for point in points}) == 2**5


def test_choices_without_the_seed_are_refused():
    with pytest.raises(UserError, match=r"search.kernel=\[3, 5\] lacks table"):
        Space(SMALL, CHOICES | {"kernel": [3, 5]})
