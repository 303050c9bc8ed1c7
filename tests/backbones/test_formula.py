"""`python -m backbones formula`: its numbers are those of real layers."""

import json
import re
from functools import partial

import pytest
import torch
from torch import nn

from backbones.blocks import InvertedResidual, ReLU6, SqueezeExcite
from backbones.formula import MEANINGS, costs, parse
from backbones.mobilenet_v1 import DepthwiseSeparable
from backbones.published.shapes import count
from backbones.universal import FusedBottleneck

NORM = partial(nn.BatchNorm2d)


def layers_of(k, c, n, h, w, stride, t, r, g):
    """The real blocks, by the name of the formula's line."""
    conv = partial(nn.Conv2d, kernel_size=k, padding=k // 2, stride=stride, bias=False)
    residual = partial(InvertedResidual, c, t * c, n, k, stride=stride, act=ReLU6, norm=NORM, residual=False)
    found = {
        "plain convolution": conv(c, n),
        "group convolution": conv(c, n, groups=g),
        "separable convolution": nn.Sequential(conv(c, c, groups=c), nn.Conv2d(c, n, 1, bias=False)),
        "inverted residual (MBConv)": residual(),
        "MBConv with squeeze-and-excite": residual(excite_hidden=t * c // r),
        "fused MBConv": nn.Sequential(conv(c, t * c), nn.Conv2d(t * c, n, 1, bias=False)),
    }
    if k == 3:
        step = {"stride": stride, "dilation": 1, "norm": NORM}
        assert counted(DepthwiseSeparable(c, n, **step), c, h, w) == counted(found["separable convolution"], c, h, w)
        fused = FusedBottleneck(c, t * c, n, project_act=None, **step)
        assert counted(fused, c, h, w) == counted(found["fused MBConv"], c, h, w)
    return found


def counted(layers, channels, height, width):
    """Weights without BatchNorm's and biases, and multiply-adds, by counting."""
    counts, _ = count(layers, lambda: layers(torch.empty(0, channels, height, width)))
    convs = (module for module in layers.modules() if isinstance(module, nn.Conv2d))
    biases = sum(conv.bias.numel() for conv in convs if conv.bias is not None)
    return counts.params_without_norm - biases, counts.madds


@pytest.mark.parametrize(
    "text",
    [
        "k=3 c=64 n=128 h=56",
        "k=3 c=64 n=128 h=57 w=31 stride=2",
        "k=5 c=24 n=40 h=29 stride=2 t=3 r=8 g=8",
        "k=7 c=10 n=15 h=9 w=1 stride=3 t=1 r=3 g=5",
        "k=1 c=6 n=4 h=5 t=2 r=5",
    ],
)
def test_numbers_are_those_of_real_layers(text):
    values = parse(text.split())
    found = costs(values)
    blocks = {line.block: (line.params, line.madds) for line in found if not line.layer}
    c, t = values["c"], values["t"]
    for name, layers in layers_of(**values).items():
        assert blocks.pop(name) == counted(layers, c, values["h"], values["w"]), name
    wide = nn.Conv2d(t * c, t * c, values["k"], values["stride"], values["k"] // 2, bias=False)
    assert blocks == {"plain at the expanded width": counted(wide, t * c, values["h"], values["w"])}
    for block in {line.block for line in found if line.layer}:
        whole, *parts = (line for line in found if line.block == block)
        assert whole.params == sum(part.params for part in parts) and whole.madds == sum(part.madds for part in parts)


def test_squeeze_and_excite_is_its_layer():
    found = costs(parse(["k=3", "c=40", "n=40", "h=14", "t=3", "r=4"]))
    (line,) = (line for line in found if line.layer == "squeeze-and-excite")
    gate = SqueezeExcite(120, 30)
    assert (line.params, line.madds) == counted(gate, 120, 14, 14) == (7200, 7200)
    assert line.params_formula == "2·t·c·s"


def test_the_page(command):
    status, out, _ = command("formula", "k=3", "c=64", "n=128", "h=56")
    lines = [line.split() for line in out.splitlines()]
    assert status == 0 and max(map(len, out.splitlines())) <= 140 and "…" not in out
    assert lines[:2] == [
        ["k=3", "c=64", "n=128", "h=56", "w=56", "stride=1", "t=6", "r=4", "g=4"],
        ["64×56×56", "->", "128×56×56"],
    ]
    assert ["plain", "convolution", "k²·c·n", "73,728", "100.00%", "k²·c·n·H·W", "231,211,008", "100.00%"] in lines
    assert ["inverted", "residual", "(MBConv)", "77,184", "104.69%", "242,049,024", "104.69%"] in lines
    assert "separable / plain = 1/n + 1/k² = 1/128 + 1/9 = 11.89%\n" in out
    assert re.search(r"separable convolution .* 8,768 +11.89% .* 27,496,448 +11.89%\n", out)


def test_the_page_for_machines(command):
    found = json.loads(command("formula", "k=3", "c=64", "n=128", "h=57", "stride=2", "--json")[1])
    assert list(found) == [*MEANINGS, "output", "costs"]
    assert found["output"] == [128, 29, 29] and found["w"] == 57
    separable = next(line for line in found["costs"] if line["block"] == "separable convolution")
    assert separable["params_share"] == separable["madds_share"] == pytest.approx(1 / 128 + 1 / 9)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            "",
            "formula needs k= kernel, odd, c= input channels, n= output channels, h= height of the input; for example",
        ),
        ("k=3 c=64 n=128", "formula needs h= height of the input; for example: k=3 c=64 n=128 h=56"),
        ("k=3 kernel=3", "formula does not take 'kernel=3'; it takes k= kernel, odd, c= input channels, "),
        ("k", "formula does not take 'k'; it takes k= kernel, odd, "),
        ("k=3 k=5", "k is given twice"),
        ("k=4 c=8 n=8 h=8", "k=4 is even; it must be odd"),
        ("k=0", "k=0 is not a whole number from 1 to 999999999: k= kernel, odd"),
        ("h=5.5", "h=5.5 is not a whole number"),
        ("h=-1", "h=-1 is not a whole number"),
        ("h=²", "h=² is not a whole number"),
        ("k=3 c=8 n=12 h=8 g=8", "g=8 does not divide both c=8 and n=12"),
        ("k=3 c=8 n=12 h=8 t=2 r=17", "r=17 is more than t·c = 16"),
        ("k=3 c=8 n=12 h=8 --size 7", "--size goes with names of networks"),
    ],
)
def test_wrong_arguments_are_one_line(words, message, command):
    status, out, error = command("formula", *words.split())
    assert status == 2 and not out and error.startswith(message) and error.count("\n") == 1
