"""A network as a file: a block table in YAML, checked row by row. Nothing here needs torch.

    format: 1
    stem: 16                     # channels of the first convolution, 3×3 with stride 2
    blocks:                      # inverted residuals; excite: width inside the squeeze-and-excite, 0 for none
    - {kernel: 3, expanded: 16, out: 16, excite: 8, act: relu, stride: 2}
    - {kernel: 3, expanded: 72, out: 24, excite: 0, act: relu, stride: 2}
    last: 576                    # channels of the last 1×1 convolution
    hidden: {channels: 1024, act: hard_swish, norm: false}   # after the pooling, for classification; or null
    act: hard_swish              # of the first and the last convolution

Further keys are optional; OTHERS lists them with their defaults.
"""

import reprlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

FORMAT = 1
ACTS = ("relu", "relu6", "hard_swish", "swish")
GATES = ("hard_sigmoid", "sigmoid")
LARGEST = 2**18  # bytes of a file; MobileNetV3's has 2,000
WIDEST = 2**14  # channels: more is a typing error
ROW = ("kernel", "expanded", "out", "excite", "act", "stride")
KEYS = ("format", "stem", "blocks", "last", "hidden", "act")
OTHERS: dict[str, Any] = {
    "gate": "hard_sigmoid",  # of the squeeze-and-excites; a row's own `gate` overrides it
    "norm_eps": 1e-3,
    "norm_momentum": 0.01,
    "announce_bottleneck": False,
    "bottleneck_act": None,
    "normalisation": "imagenet",
    "origin": None,  # a line on where the network comes from
}
Rule = tuple[Callable[[Any], bool], str]


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML without objects and without duplicate keys, of which the last would otherwise silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for place, _ in node.value if isinstance(node, yaml.MappingNode) else ():  # `!!map [1]` is not a mapping
            key = str(place.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key} is there twice", place.start_mark)
            seen.add(key)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping


def read_table(path: str | Path) -> dict[str, Any]:
    """Read a complete table from a file.

    Raises:
        ValueError: for a file that is missing or not such a table; names the invalid row if there is one.
    """
    path = Path(path)
    try:
        if path.exists() and not path.is_file():  # reading a pipe would never end
            raise ValueError("it is no file")
        if path.exists() and path.stat().st_size > LARGEST:
            raise ValueError(f"it has over {LARGEST:,} bytes")
        found = yaml.load(path.read_text(encoding="utf-8"), UniqueKeyLoader)
    except FileNotFoundError:
        raise ValueError(f"no block table at {path}") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:  # ValueError: an invalid date
        raise ValueError(f"{path} is no block table: {' '.join(str(error).split())}") from None
    return checked(found, str(path))


def write_table(path: Path, table: Mapping[str, Any], comment: str) -> None:
    """Write a table, one row per line, after a comment of one or more lines."""
    lines = [f"# {line}" for line in comment.splitlines()]
    for key in (*KEYS, *OTHERS):
        if key == "blocks":
            lines += ["blocks:", *(f"- {flow(row)}" for row in table["blocks"])]
        elif key in KEYS or table[key] != OTHERS[key]:
            lines.append(f"{key}: {flow(table[key])}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def flow(value: Any) -> str:
    """Format a value on one line of YAML."""
    text: str = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").strip()


def checked(table: Any, name: str) -> dict[str, Any]:
    """A validated table with all defaults filled in.

    Args:
        name: of the file, for messages.

    Raises:
        ValueError: for the first invalid key or row.
    """
    if not isinstance(table, Mapping):
        raise ValueError(f"{name} is no block table: keys are {', '.join(KEYS)}")
    check_keys(table, KEYS, tuple(OTHERS), name)
    if table["format"] is True or table["format"] != FORMAT:
        raise ValueError(f"{name} has format {table['format']}; this version reads {FORMAT}")
    rows = table["blocks"]
    if not isinstance(rows, Sequence) or isinstance(rows, str) or not rows:
        raise ValueError(f"{name}: blocks is not a list of rows")
    complete = {**OTHERS, **table, "blocks": [checked_row(row, f"{name}, row {n}") for n, row in enumerate(rows, 1)]}
    check_values(complete, RULES, name)
    if complete["hidden"] is not None:
        hidden = complete["hidden"]
        if not isinstance(hidden, Mapping):
            raise ValueError(f"{name}: hidden is neither null nor channels, act and norm")
        check_keys(hidden, ("channels", "act"), ("norm",), f"{name}, hidden")
        complete["hidden"] = {"norm": False, **hidden}
        check_values(complete["hidden"], HIDDEN_RULES, f"{name}, hidden")
    strides = 1 + sum(row["stride"] == 2 for row in complete["blocks"])
    if strides != 5:
        raise ValueError(f"{name} has {strides} strides of 2, the stem's among them; maps c1 to c5 need 5")
    return complete


def shown(value: Any) -> str:
    """Format a value for a message; shortened, since YAML aliases let small files print endlessly."""
    short = reprlib.Repr()
    short.maxlevel, short.maxstring = 2, 60
    return short.repr(value)


def checked_row(row: Any, name: str) -> dict[str, Any]:
    """A validated block.

    Raises:
        ValueError: for invalid keys or values.
    """
    if not isinstance(row, Mapping):
        raise ValueError(f"{name}: {shown(row)} is no block; keys are {', '.join(ROW)}")
    check_keys(row, ROW, ("gate",), name)
    check_values(row, ROW_RULES, name)
    return dict(row)


def check_keys(found: Mapping[str, Any], needed: Sequence[str], others: Sequence[str], name: str) -> None:
    """Raises a ValueError for a missing or unknown key."""
    for key in needed:
        if key not in found:
            raise ValueError(f"{name}: {key} is missing; keys are {', '.join(needed)}")
    for key in found:
        if key not in needed and key not in others:
            raise ValueError(f"{name}: {key} is no key; there are {', '.join((*needed, *others))}")


def check_values(found: Mapping[str, Any], rules: Mapping[str, Rule], name: str) -> None:
    """Raises a ValueError for a value outside its rule."""
    for key, (holds, text) in rules.items():
        if key in found and not holds(found[key]):
            raise ValueError(f"{name}: {key}={shown(found[key])} is not {text}")


def channels(least: int = 1) -> Rule:
    return lambda v: type(v) is int and least <= v <= WIDEST, f"a whole number from {least} to {WIDEST:,}"


def one_of(*choices: Any) -> Rule:
    return lambda v: any(type(v) is type(c) and v == c for c in choices), f"one of {', '.join(map(flow, choices))}"


def between(low: float, high: float) -> Rule:
    return lambda v: type(v) in (int, float) and low < v <= high, f"a number above {low} and up to {high}"


RULES: dict[str, Rule] = {
    "stem": channels(),
    "last": channels(),
    "act": one_of(*ACTS),
    "gate": one_of(*GATES),
    "norm_eps": between(0, 1),
    "norm_momentum": between(0, 1),
    "announce_bottleneck": one_of(True, False),
    "bottleneck_act": one_of(None, *ACTS),
    "normalisation": one_of("imagenet", "half"),
    "origin": (lambda v: v is None or isinstance(v, str), "a line of text"),
}
HIDDEN_RULES: dict[str, Rule] = {"channels": channels(), "act": one_of(*ACTS), "norm": one_of(True, False)}
ROW_RULES: dict[str, Rule] = {
    "kernel": one_of(3, 5, 7),
    "expanded": channels(),
    "out": channels(),
    "excite": channels(0),
    "act": one_of(*ACTS),
    "stride": one_of(1, 2),
    "gate": one_of(*GATES),
}
