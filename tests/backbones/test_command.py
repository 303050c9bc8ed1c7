"""`python -m backbones` with block tables, and with several names."""

import json

import pytest

from backbones.mobilenet_v3 import MobileNetV3
from backbones.table import table_of
from backbones.table_file import write_table

SMALL = (2542856, 2530744, 56510400)  # params, without BatchNorm's, multiply-adds at 224×224


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Files in the current folder: a.yaml of V3-Small, b.yaml of V3-Small at half its width."""
    monkeypatch.chdir(tmp_path)
    write_table(tmp_path / "a.yaml", table_of(MobileNetV3(size="small").plan, "found on a telephone"), "a")
    write_table(tmp_path / "b.yaml", table_of(MobileNetV3(size="small", width=0.5).plan), "b")


def test_a_table_block_by_block_is_as_the_papers_network(tables, command):
    status, out, _ = command("a.yaml")
    _, paper, _ = command("mobilenet_v3_small")
    assert status == 0
    assert out.splitlines()[:3] == ["a.yaml: 224×224, 1000 classes", "found on a telephone", ""]
    assert out.splitlines()[3:] == paper.splitlines()[2:]


def test_a_table_at_another_size_and_for_machines(tables, command):
    status, out, _ = command("a.yaml", "--size", "70", "--json")
    found, paper = json.loads(out), json.loads(command("mobilenet_v3_small", "--size", "70", "--json")[1])
    assert status == 0 and found["backbone"] == "a.yaml" and found["size"] == 70
    assert found | {"backbone": paper["backbone"]} == paper


def test_several_names_are_listed(tables, command):
    status, out, _ = command("a.yaml", "mobilenet_v3_small", "b.yaml", "mobilenet_v2_cse")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0 and max(map(len, out.splitlines())) <= 140
    assert lines[2] == ["a.yaml", "224×224", "1000", "2.543M", "2.531M", "56.5M", "found", "on", "a", "telephone"]
    assert lines[3][1:] == lines[2][1:6] and lines[4][:4] == ["b.yaml", "224×224", "1000", "1.593M"]
    assert lines[5] == ["mobilenet_v2_cse", "32×32", "10", "0.363M", "0.350M", "81.4M"]  # its paper's size


def test_several_names_for_machines(tables, command):
    found = json.loads(command("a.yaml", "mobilenet_v3_small", "--json")[1])
    assert [row["backbone"] for row in found] == ["a.yaml", "mobilenet_v3_small"]
    assert [row["origin"] for row in found] == ["found on a telephone", None]
    for row in found:
        assert (row["params"], row["params_without_norm"], row["madds"]) == SMALL
        assert (row["size"], row["classes"], row["variant"]) == (224, 1000, "")
    half, _ = json.loads(command("b.yaml", "a.yaml", "--json", "--size", "96")[1])
    assert half["size"] == 96 and half["madds"] < 21.1e6 / 4


def test_a_long_name_is_not_cut(tables, command, tmp_path):
    folder = tmp_path / "x" / ("long" * 40)
    folder.mkdir(parents=True)
    write_table(folder / "c.yaml", table_of(MobileNetV3(size="small").plan, "a long story " * 12), "c")
    out = command(str(folder / "c.yaml"), "a.yaml")[1]
    assert "…" not in out and out.count("story") == 12


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone.yaml"], "no block table at gone.yaml"),
        (["gone.yml", "mobilenet_v2"], "no block table at gone.yml"),
        (["bad.yaml"], "bad.yaml: stem is missing"),
        (["a.yaml", "bad.yaml"], "bad.yaml: stem is missing"),
        (["a.yaml", "mobilnet_v1"], "no network 'mobilnet_v1'; did you mean mobilenet_v1"),
        (["a.yaml", "--size", "0"], "a.yaml at 0×0: "),
        (["a.yaml", "mobilenet_v2_cse", "--size", "64"], "mobilenet_v2_cse at 64×64: "),
    ],
)
def test_what_is_wrong_is_one_line(arguments, message, tables, command, tmp_path):
    (tmp_path / "bad.yaml").write_text("format: 1\n")
    status, out, error = command(*arguments)
    assert status == 2 and not out and error.startswith(message) and error.count("\n") == 1
