"""Block tables: a network and its table say the same, and a table that is wrong says where."""

import os
from pathlib import Path

import pytest
import torch
import yaml

from backbones.mnasnet import MNASNet
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3_variants import MobileNetV3
from backbones.table import TableBackbone, plan_of, table_of
from backbones.table_file import read_table, write_table

NETWORKS = {
    "V3-Large": lambda: MobileNetV3(size="large"),
    "V3-Small": lambda: MobileNetV3(size="small"),
    "V3-Small, reduced tail": lambda: MobileNetV3(size="small", tail="segmentation"),
    "V3 minimalistic": lambda: MobileNetV3(size="large", minimalistic=True),
    "V3, original last stage": lambda: MobileNetV3(size="large", last_stage="original", normalisation="half"),
    "V3, swish and a wide stem": lambda: MobileNetV3(size="small", activation="swish@24", stem=32),
    "V2": lambda: MobileNetV2(width=0.5),
    "V2, relu6 bottlenecks": lambda: MobileNetV2(width=0.35, bottleneck="relu6"),
    "MnasNet-A1": lambda: MNASNet(variant="a1", width=0.5),
    "MnasNet-B1": lambda: MNASNet(variant="b1", width=0.5, norm_eps=1e-5, norm_momentum=3e-4),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_from_its_file(name, tmp_path):
    torch.manual_seed(0)
    network, file = NETWORKS[name]().eval(), tmp_path / "found.yaml"
    table = table_of(network.plan, origin=f"'{name}': #1 of 2, at {tmp_path}")
    write_table(file, table, "found by hand\nto be read again")
    assert read_table(file) == table and plan_of(table) == network.plan
    again = TableBackbone(file=str(file)).eval()
    assert again.features == network.features and again.taps == network.taps
    again.load_state_dict(network.state_dict())  # strict: the same names and shapes
    with torch.no_grad():
        images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
        maps, expected = again(images), network(images)
    assert maps.keys() == expected.keys() and all(torch.equal(maps[key], expected[key]) for key in expected)


def test_a_file_is_readable(tmp_path):
    """A row to a line, the comment on top, and nothing that goes without saying."""
    write_table(tmp_path / "a.yaml", table_of(MobileNetV3(size="small").plan), "one line\nanother")
    lines = (tmp_path / "a.yaml").read_text().splitlines()
    assert lines[:5] == [
        "# one line",
        "# another",
        "format: 1",
        "stem: 16",
        "blocks:",
    ]
    assert lines[5] == "- {kernel: 3, expanded: 16, out: 16, excite: 8, act: relu, stride: 2}"
    assert lines[16:] == ["last: 576", "hidden: {channels: 1024, act: hard_swish, norm: false}", "act: hard_swish"]


def test_the_example_of_the_documentation_is_a_table_but_for_its_strides(tmp_path):
    import backbones.table_file

    example = yaml.safe_load(backbones.table_file.__doc__.partition("\n\n")[2].partition("\n\nFurther")[0])
    example["blocks"] += 2 * [dict(example["blocks"][1])]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(example))
    assert TableBackbone(file=str(tmp_path / "a.yaml")).features["c5"].channels == 576


def test_a_row_may_have_a_gate_of_its_own(tmp_path):
    plan = MNASNet(variant="a1", width=0.5).plan
    first = MobileNetV3(size="small").plan.blocks[0].gate
    mixed = plan._replace(blocks=(plan.blocks[0]._replace(gate=first), *plan.blocks[1:]))
    write_table(tmp_path / "a.yaml", table_of(mixed), "gates of both kinds")
    assert plan_of(read_table(tmp_path / "a.yaml")) == mixed


def test_resolution_and_normalisation_are_the_users_to_choose():
    table = table_of(MobileNetV3(size="small").plan)
    network = TableBackbone(table=table, file="gone.yaml", output_stride=16, norm_eps=1e-5, norm_momentum=0.1)
    assert network.features["c5"].reduction == 16
    norms = [module for module in network.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-5, 0.1)}
    assert (network.plan.norm_eps, network.plan.norm_momentum) == (1e-5, 0.1)


def test_what_no_table_can_say():
    with pytest.raises(ValueError, match="shortcut=none: block tables have shortcuts between bottlenecks only"):
        table_of(MobileNetV2(shortcut="none").plan)
    with pytest.raises(ValueError, match=r"a table's file is missing: backbone\.file="):
        TableBackbone()


def changed(**changes):
    """A good table, but for these keys."""
    return {**table_of(MobileNetV3(size="small").plan), **changes}


def with_row(number, **changes):
    """A good table, but for these keys of a row, which is counted from 1; None leaves one out."""
    table = changed()
    row = {**table["blocks"][number - 1], **changes}
    table["blocks"][number - 1] = {key: value for key, value in row.items() if value is not None}
    return table


def without(key):
    return {name: value for name, value in changed().items() if name != key}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([1, 2], "a.yaml is no block table: keys are format, stem, blocks, last, hidden, act"),
        ("text", "a.yaml is no block table: keys are format"),
        (without("stem"), "a.yaml: stem is missing"),
        (changed(width=2), "a.yaml: width is no key; there are format, stem"),
        (changed(format=2), "a.yaml has format 2; this version reads 1"),
        (changed(stem=0), "a.yaml: stem=0 is not a whole number from 1 to 16,384"),
        (changed(last=576.5), "a.yaml: last=576.5 is not a whole number"),
        (changed(act="gelu"), "a.yaml: act='gelu' is not one of relu, relu6, hard_swish, swish"),
        (changed(bottleneck_act="mish"), "a.yaml: bottleneck_act='mish' is not one of null, relu"),
        (changed(norm_eps="tiny"), "a.yaml: norm_eps='tiny' is not a number above 0 and up to 1"),
        (changed(origin=3), "a.yaml: origin=3 is not a line of text"),
        (changed(hidden=1024), "a.yaml: hidden is neither null nor channels, act and norm"),
        (changed(hidden={"channels": 1024}), "a.yaml, hidden: act is missing"),
        (changed(hidden={"channels": 0, "act": "relu"}), "a.yaml, hidden: channels=0 is not"),
        (changed(blocks=[]), "a.yaml: blocks is not a list of rows"),
        (changed(blocks="rows"), "a.yaml: blocks is not a list of rows"),
        (changed(blocks=[3]), "a.yaml, row 1: 3 is no block; keys are kernel, expanded, out, excite, act, stride"),
        (changed(blocks=changed()["blocks"][:3]), "a.yaml has 3 strides of 2, the stem's among them; maps c1 to c5"),
        (with_row(3, kernel=4), "a.yaml, row 3: kernel=4 is not one of 3, 5, 7"),
        (with_row(3, kernel=True), "a.yaml, row 3: kernel=True is not one of 3, 5, 7"),
        (with_row(11, expanded=0), "a.yaml, row 11: expanded=0 is not a whole number from 1"),
        (with_row(2, excite=-1), "a.yaml, row 2: excite=-1 is not a whole number from 0"),
        (with_row(1, stride=3), "a.yaml, row 1: stride=3 is not one of 1, 2"),
        (with_row(2, filters=3), "a.yaml, row 2: filters is no key; there are kernel"),
        (with_row(2, out=None), "a.yaml, row 2: out is missing"),
        (with_row(4, gate="tanh"), "a.yaml, row 4: gate='tanh' is not one of hard_sigmoid, sigmoid"),
    ],
)
def test_a_wrong_table_names_its_row_or_key(table, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(yaml.safe_dump(table))
    with pytest.raises(ValueError) as refused:
        TableBackbone(file="a.yaml")
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no block table at a.yaml"),
        (b"stem: [16", "a.yaml is no block table: while parsing a flow sequence"),
        (b"\xff\xfe\x00", "a.yaml is no block table: "),
        (b"", "a.yaml is no block table: keys are format"),
        (b"stem: !!python/object:os.system {}", "a.yaml is no block table: could not determine a constructor"),
    ],
)
def test_a_file_that_is_no_table(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        Path("a.yaml").write_bytes(content)
    with pytest.raises(ValueError) as refused:
        TableBackbone(file="a.yaml")
    assert str(refused.value).startswith(message) and "\n" not in str(refused.value)


def test_a_table_in_a_configuration_is_named_so():
    with pytest.raises(ValueError, match=r"^backbone\.table, row 3: out='wide' is not a whole number"):
        TableBackbone(table=with_row(3, out="wide"))


@pytest.mark.parametrize(("old", "new", "key"), [("stem:", "stem: 8\nstem:", "stem"), ("- {", "- {out: 9, ", "out")])
def test_a_key_stands_once(tmp_path, old, new, key):
    path = tmp_path / "a.yaml"
    write_table(path, changed(), "twice")
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ValueError, match=rf"a\.yaml is no block table: the key {key} is there twice"):
        read_table(path)


@pytest.mark.parametrize("text", ["!!map [[1, 2], [3, 4]]", "!!map ab", "stem: !!map [1]"])
def test_a_mapping_by_its_tag_alone_is_refused(tmp_path, text):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.yaml is no block table: expected a mapping node"):
        read_table(path)


def test_a_pipe_is_no_table(tmp_path):
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(ValueError, match="is no block table: it is no file"):
        read_table(tmp_path / "a.yaml")
