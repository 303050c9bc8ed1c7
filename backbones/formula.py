"""Cost formulas of convolutions, and their values: `python -m backbones formula k=3 c=64 n=128 h=56`.

MobileNets (Howard et al., 2017), section 3.1; MobileNetV2 (Sandler et al., 2018), table 1; Squeeze-and-Excitation
Networks (Hu et al., TPAMI 2019), equation 5; for the fused block MobileNetV4 (Qin et al., ECCV 2024), section 4.
"""

import json
import math
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console

from backbones.printing import one_line_table

MEANINGS = {
    "k": "kernel, odd",
    "c": "input channels",
    "n": "output channels",
    "h": "height of the input",
    "w": "width of the input (h)",
    "stride": "of the k×k convolution (1)",
    "t": "expansion of the inverted residual (6)",
    "r": "reduction of squeeze-and-excite (4)",
    "g": "groups (4 if they divide c and n, else 2 or 1)",
}
REQUIRED = ("k", "c", "n", "h")


class Layer(NamedTuple):
    """A convolution: its weights and the positions at which they are applied, as formulas."""

    name: str
    weights: str
    positions: str  # h·w: the input's; H·W: the output's; 1: one


class Cost(NamedTuple):
    """What a block or one of its layers costs; `layer` is "" for the whole block."""

    block: str
    layer: str
    params_formula: str
    params: int
    madds_formula: str
    madds: int


EXPAND, NARROW = Layer("1×1 expand", "c·t·c", "h·w"), Layer("1×1 project", "t·c·n", "H·W")
WIDE = Layer("k×k depthwise", "k²·t·c", "H·W")
BLOCKS = {
    "plain convolution": (Layer("k×k", "k²·c·n", "H·W"),),
    "group convolution": (Layer("k×k in g groups", "k²·c/g·n", "H·W"),),
    "separable convolution": (Layer("k×k depthwise", "k²·c", "H·W"), Layer("1×1 pointwise", "c·n", "H·W")),
    "inverted residual (MBConv)": (EXPAND, WIDE, NARROW),
    "MBConv with squeeze-and-excite": (EXPAND, WIDE, Layer("squeeze-and-excite", "2·t·c·s", "1"), NARROW),
    "fused MBConv": (Layer("k×k expand", "k²·c·t·c", "H·W"), NARROW),
    "plain at the expanded width": (Layer("k×k", "k²·t·c·t·c", "H·W"),),
}
LEGEND = """
params: weights of the convolutions, without biases and BatchNorm; MAdds: multiply-adds for one image
h×w: input, H×W: output; s = t·c/r, rounded down: width inside squeeze-and-excite; t=1 has no expansion
share: relative to the first line, the plain convolution from c to n channels
"""


def parse(words: Sequence[str]) -> dict[str, int]:
    """Read `k=3 c=64 …`; returns all of MEANINGS.

    Raises:
        ValueError: for an unknown, missing, repeated or impossible value.
    """
    values: dict[str, int] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if name not in MEANINGS or not equals:
            choices = ", ".join(f"{key}= {meaning}" for key, meaning in MEANINGS.items())
            raise ValueError(f"formula does not take {word!r}; it takes {choices}")
        if name in values:
            raise ValueError(f"{name} is given twice")
        if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0):
            raise ValueError(f"{word} is not a whole number from 1 to 999999999: {name}= {MEANINGS[name]}")
        values[name] = int(text)
    missing = [f"{name}= {MEANINGS[name]}" for name in REQUIRED if name not in values]
    if missing:
        raise ValueError(f"formula needs {', '.join(missing)}; for example: k=3 c=64 n=128 h=56")
    defaults = {"w": values["h"], "stride": 1, "t": 6, "r": 4, "g": math.gcd(values["c"], values["n"], 4)}
    values = {name: values.get(name, defaults.get(name, 0)) for name in MEANINGS}
    if values["k"] % 2 == 0:
        raise ValueError(f"k={values['k']} is even; it must be odd, so that padding keeps the size")
    if values["c"] % values["g"] or values["n"] % values["g"]:
        raise ValueError(f"g={values['g']} does not divide both c={values['c']} and n={values['n']}")
    if values["r"] > values["t"] * values["c"]:
        raise ValueError(
            f"r={values['r']} is more than t·c = {values['t'] * values['c']}, the channels that it divides"
        )
    return values


def output_size(values: dict[str, int]) -> tuple[int, int]:
    """Height and width of the output with a padding of (k-1)/2."""
    return math.ceil(values["h"] / values["stride"]), math.ceil(values["w"] / values["stride"])


def costs(values: dict[str, int]) -> list[Cost]:
    """All blocks with their layers."""
    height, width = output_size(values)
    symbols = values | {"H": height, "W": width, "s": values["t"] * values["c"] // values["r"]}
    found = []
    for block, layers in BLOCKS.items():
        layers = tuple(layer for layer in layers if layer is not EXPAND or values["t"] > 1)
        found.append(cost(block, "", layers, symbols))
        if len(layers) > 1:
            found += [cost(block, layer.name, (layer,), symbols) for layer in layers]
    return found


def cost(block: str, name: str, layers: Sequence[Layer], symbols: dict[str, int]) -> Cost:
    """The cost of some layers of a block together."""
    params = " + ".join(layer.weights for layer in layers)
    madds = " + ".join(layer.weights + f"·{layer.positions}" * (layer.positions != "1") for layer in layers)
    return Cost(block, name, params, evaluate(params, symbols), madds, evaluate(madds, symbols))


def evaluate(formula: str, symbols: dict[str, int]) -> int:
    """The value of a formula: a sum of products of factors."""
    return sum(math.prod(factor(text, symbols) for text in term.split("·")) for term in formula.split(" + "))


def factor(text: str, symbols: dict[str, int]) -> int:
    """The value of one factor: "k", "k²", "c/g" or "2"; a quotient is rounded down."""
    if text.isdecimal():
        return int(text)
    over, _, under = text.partition("/")
    number = symbols[over.removesuffix("²")] ** (2 if over.endswith("²") else 1)
    return number // symbols[under] if under else number


def print_formulas(console: Console, words: Sequence[str], *, as_json: bool) -> None:
    """Print all costs for `k=3 c=64 …`.

    Raises:
        ValueError: see parse.
    """
    values = parse(words)
    (height, width), found = output_size(values), costs(values)
    plain = found[0]
    if as_json:
        lines = [
            line._asdict() | {"params_share": line.params / plain.params, "madds_share": line.madds / plain.madds}
            for line in found
        ]
        print(json.dumps({**values, "output": [values["n"], height, width], "costs": lines}, indent=1))
        return
    table = one_line_table(("block", "params ="), ("params", "share"), ("MAdds =",))
    table.add_column("MAdds", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    for line in found:
        name = f"  {line.layer}" if line.layer else line.block
        formulas = (line.params_formula, line.madds_formula)
        params, madds = ("", "") if line.params_formula.count("+") > 1 else formulas  # too wide; its layers' follow
        table.add_row(
            name, params, f"{line.params:,}", f"{line.params / plain.params:.2%}",
            madds, f"{line.madds:,}", f"{line.madds / plain.madds:.2%}",
        )  # fmt: skip
    console.width = 1000  # the table is as wide as its numbers
    k, c, n, h, w, *_ = values.values()
    console.print(" ".join(f"{name}={value}" for name, value in values.items()))
    console.print(f"{c}×{h}×{w} -> {n}×{height}×{width}\n")
    console.print(table)
    console.print(f"\nseparable / plain = 1/n + 1/k² = 1/{n} + 1/{k * k} = {1 / n + 1 / k**2:.2%}")
    console.print(LEGEND.rstrip())
