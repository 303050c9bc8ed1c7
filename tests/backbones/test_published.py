"""Every published size, and the command that prints them."""

import json

import pytest
import torch

from backbones.command import built, rows, sizes
from backbones.published.compare import DIFFERS, compare
from backbones.published.row import Figure, Published
from backbones.published.shapes import Counts, count, no_images
from heads.sizes import measure

ROWS = rows()


@pytest.fixture(scope="module")
def counted():
    return dict(zip(range(len(ROWS)), sizes(ROWS), strict=True))


@pytest.mark.parametrize(
    "number", range(len(ROWS)), ids=[f"{row.backbone} {row.variant} {row.size} {row.classes}" for row in ROWS]
)
def test_definition_gives_its_size(number, counted):
    row, counts = ROWS[number], counted[number]
    assert counts.params / 1e6 == pytest.approx(row.measured[0], rel=0.005)
    assert counts.madds / 1e6 == pytest.approx(row.measured[1], rel=0.01)


@pytest.mark.parametrize("name", list(dict.fromkeys(row.backbone for row in ROWS)))
def test_counting_on_no_images_is_counting(name):
    row = next(row for row in ROWS if row.backbone == name)
    with torch.device("meta"):
        backbone, head = built(row)
        expected = measure(backbone, head, row.size, row.size)
    backbone, head = built(row)
    counts, _ = count(torch.nn.ModuleList([backbone, head]), lambda: head(backbone(no_images(row.size, row.size))))
    assert tuple(counts) == tuple(expected)


def test_a_figure_is_read_with_its_rounding():
    assert Figure.read("4.2M") == (4_200_000, 50_000) and Figure.read("569M") == (569_000_000, 500_000)
    assert Figure.read("3.86G") == (3_860_000_000, 5_000_000) and Figure.read("0.363M") == (363_000, 500)
    assert Figure.read("-") is None
    printed = Figure.read("0.2B")
    assert printed.prints(150_000_000) and printed.prints(186_000_000) and not printed.prints(251_000_000)
    assert printed.difference(186_000_000) == pytest.approx(-0.07)


@pytest.mark.parametrize(
    ("text", "params", "madds"),
    [("4.2M 569M", "4.2M", "569M"), ("- 418M", "-", "418M"), ("45.7M", "45.7M", "-"), ("-", "-", "-")],
)
def test_a_row_says_which_figure_is_printed(text, params, madds):
    row = Published("", "", None, text, (1, 1))
    assert (row.paper_params, row.paper_madds) == (Figure.read(params), Figure.read(madds))


@pytest.mark.parametrize(
    ("text", "counts", "agrees"),
    [
        ("2.6M 100M", (2_640_000, 2_500_000, 100_900_000), True),
        ("2.5M 100M", (2_640_000, 2_500_000, 100_900_000), True),  # BatchNorm's left out
        ("2.4M 100M", (2_640_000, 2_500_000, 100_900_000), False),
        ("2.6M 100M", (2_640_000, 2_500_000, 101_100_000), False),
        ("2.6M 0.1B", (2_640_000, 2_500_000, 101_100_000), True),
        ("- 100M", (2_640_000, 2_500_000, 98_900_000), False),
        ("-", (2_640_000, 2_500_000, 98_900_000), True),
    ],
)
def test_a_count_agrees_with_what_is_printed(text, counts, agrees):
    assert Published("", "", None, text, (1, 1)).agrees(Counts(*counts)) is agrees


def test_table_has_one_line_per_row_and_every_note(command):
    status, out, _ = command()
    lines = out.splitlines()
    assert status == 0 and max(map(len, lines)) <= 140 and "…" not in out
    table = lines[3 : 3 + len(ROWS)]
    for row, line in zip(ROWS, table, strict=True):
        assert line.startswith(row.backbone) and row.variant in line and f" {row.size}×{row.size} " in line
        assert (f" {row.classes} classes " in line) == (row.classes != 1000)
        assert " ".join(row.printed) in " ".join(line.split())
    assert table[0].split() == [
        "mobilenet_v1", "224×224", "4.232M", "4.210M", "568.7M", "4.2M", "569M", "+0.76%", "-0.05%", "0.01%",
    ]  # fmt: skip
    assert table[4].split()[5:] == ["-", "418M", "-", "+0.03%", "0.01%"]
    assert all(row.note in out for row in ROWS)


def test_what_is_not_as_printed_has_a_footnote(counted):
    found = [compare(row, counted[number]) for number, row in enumerate(ROWS)]
    differing = {(row["backbone"], row["variant"], row["size"]) for row in found if row["note"] == DIFFERS}
    assert differing == {
        ("mobilenet_v2", "", 224),
        ("mobilenet_v3_large", "", 224),
        ("mobilenet_v3_large", "width 0.5", 224),
        ("mobilenet_v3_large", "width 0.35", 224),
        ("mobilenet_v3_small", "width 0.75", 224),
        ("mobilenet_v3_small", "width 0.35", 224),
        ("mobilenet_v3_small", "", 256),
    }
    assert all(row["note"] == known.note for row, known in zip(found, ROWS, strict=True) if known.note)


def test_json_holds_numbers(command):
    status, out, _ = command("--json")
    found = json.loads(out)
    assert status == 0 and len(found) == len(ROWS)
    v2 = next(row for row in found if row["backbone"] == "mobilenet_v2")
    assert (v2["params"], v2["params_without_norm"], v2["madds"]) == (3504872, 3470760, 300774272)
    assert (v2["paper_params"], v2["paper_madds"]) == (3_400_000, 300_000_000)
    assert v2["difference_params"] == pytest.approx(0.030845, abs=1e-6)
    assert v2["difference_madds"] == pytest.approx(0.002581, abs=1e-6)
    assert (v2["measured_params"], v2["measured_madds"]) == (3505000, 300800000)
    assert v2["check"] == pytest.approx(25728 / 300800000)
    ratio2 = next(row for row in found if row["variant"] == "r=2")
    assert (ratio2["paper_params"], ratio2["paper_madds"], ratio2["difference_madds"]) == (45_700_000, None, None)


def test_one_network_block_by_block(command):
    status, out, _ = command("mobilenet_v3_large")
    assert status == 0 and max(map(len, out.splitlines())) <= 140 and "…" not in out
    fields = {tuple(line.split()) for line in out.splitlines()}
    assert (
        "4", "InvertedResidual", "24×56×56", "40×28×28", "5", "2", "1", "10,328", "9,091,584", "41.5%", "48.3%",
        "c2_expanded", "c3_first",
    ) in fields  # fmt: skip
    assert ("all", "5,483,032", "216,589,760", "111.3%", "68.7%") in fields
    assert ("c3_depthwise", "120", "8", "6", "depthwise", "120×28×28") in fields


@pytest.mark.parametrize("name", list(dict.fromkeys(row.backbone for row in ROWS)))
def test_blocks_add_up_to_the_whole(command, name, counted):
    number = next(
        n for n, row in enumerate(ROWS) if row.backbone == name and (not row.variant or "CIFAR-10" in row.variant)
    )
    status, out, _ = command(name, "--json")
    found = json.loads(out)
    assert status == 0 and found["size"] == ROWS[number].size
    assert sum(block["params"] for block in found["blocks"]) == counted[number].params
    assert sum(block["madds"] for block in found["blocks"]) == counted[number].madds
    for before, after in zip(found["blocks"], found["blocks"][1:], strict=False):
        assert before["output"] == after["input"]
    assert {name for block in found["blocks"] for name in block["maps"]} == {item["map"] for item in found["maps"]}


def test_size_and_what_is_refused(command):
    _, out, _ = command("mobilenet_v1", "--size", "70", "--json")
    assert json.loads(out)["maps"][-1]["shape"] == [1024, 3, 3]
    assert command("mobilnet_v1")[0::2] == (
        2, "no network 'mobilnet_v1'; did you mean mobilenet_v1 or mobilenet_v2 or mobilenet_v2_cse?\n",
    )  # fmt: skip
    assert command("nonsense")[2].startswith("no network 'nonsense'; there are mobilenet_v1, mobilenet_v2, ")
    assert command("timm")[0::2] == (
        2,
        "no network 'timm'; timm's networks are not listed here: choose one by backbone=timm backbone.name=…\n",
    )
    status, _, error = command("mobilenet_v2_cse", "--size", "64")
    assert status == 2 and error.startswith("mobilenet_v2_cse at 64×64: ") and error.count("\n") == 1
    assert command("--size", "64")[0] == 2
    assert command("mobilenet_v1", "--size", "0")[0] == 2


def test_shares_of_the_plain_convolution(command):
    """V1's shares are the slides' 1/n + 1/k²; the whole is the paper's table 4: 29.3M params and 4,866M MAdds plain."""
    found = json.loads(command("mobilenet_v1", "--json")[1])["blocks"]
    assert found[0]["plain_params"] is found[0]["madds_share"] is found[-1]["plain_madds"] is None
    for block in found[1:-1]:
        out = block["output"][0]
        assert block["params_share"] == block["madds_share"] == pytest.approx(1 / out + 1 / 9)
    assert (found[2]["plain_params"], found[2]["plain_madds"]) == (9 * 64 * 128, 9 * 64 * 128 * 56 * 56)
    bare = sum(block["plain_params"] or block["params_without_norm"] for block in found)
    assert bare / 1e6 == pytest.approx(29.3, abs=0.05)
    assert sum(block["plain_madds"] or block["madds"] for block in found) / 1e6 == pytest.approx(4866, rel=5e-4)


@pytest.mark.parametrize(
    ("name", "number", "params", "madds"),
    [
        ("mobilenet_v2", 3, "158.3%", "158.3%"),  # (2·24·144 + 9·144) / (9·24·24)
        ("mobilenet_v4_conv_small", 3, "24.2%", "51.3%"),  # two 5×5: compared with one
        ("mobilenet_v4_conv_small", 2, "-", "-"),  # fused: no depthwise convolution
        ("mobilenet_v2_cse", 8, "23.8%", "12.7%"),  # the gate's 2·256·8 weights, applied once
        ("mobilenet_v2_cse", 18, "-", "-"),  # a grouped 1×1
        ("mnasnet_b1", 0, "-", "-"),
    ],
)
def test_shares_of_other_blocks(name, number, params, madds, command):
    _, out, _ = command(name)
    assert max(map(len, out.splitlines())) <= 140 and "…" not in out and "\n/plain: " in out
    line = next(line.split() for line in out.splitlines() if line.startswith(f"{number} "))
    assert line[9:11] == [params, madds]


def test_whole_networks_against_plain_ones(command):
    lines = [line.split() for line in command("mobilenet_v1")[1].splitlines()]
    assert ["all", "4,231,976", "568,740,352", "14.4%", "11.7%"] in lines
    assert "/plain" not in command("resnet50")[1]  # nothing is depthwise
