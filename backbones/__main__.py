"""`python -m backbones`: the papers' networks with their sizes; with a name, one network block by block."""

import argparse
import difflib
import gc
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import chain
from typing import Any

import torch
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

from backbones.base import Backbone
from backbones.published.anatomy import Part, parts_of
from backbones.published.compare import compare
from backbones.published.row import Published
from backbones.published.shapes import Counts, count, no_images, uninitialised
from heads.classification import ClassificationHead

TABLES = ("backbones.published.mobilenets", "backbones.published.se")
WIDTH = 140  # of the tables, on a terminal and in a pipe alike
LEGEND = """
params: all trainable ones, with 1000 classes unless the variant says otherwise; no BN: without BatchNorm's
paper: as printed; MobileNetV2's widths 1.3, 0.75, 0.5 and 0.35 are the authors' page's, which leaves BatchNorm's out
Δ: params and MAdds against the paper's
check: the larger difference of params and MAdds to what the network's definition is known to give
"""


def rows() -> list[Published]:
    """All published networks."""
    return list(chain.from_iterable(import_module(table).ROWS for table in TABLES))


def built(row: Published) -> tuple[Backbone, ClassificationHead]:
    """The row's network with its classifier, without values."""
    with uninitialised():
        backbone = row.build()
        return backbone, ClassificationHead(backbone.features, row.classes)


def sizes(rows: Sequence[Published]) -> list[Counts]:
    """Count every row's network; one that stands there at several image sizes is built once."""
    gc.disable()  # thousands of modules come and go; looking for cycles among them takes half of the time
    networks: dict[tuple[Callable[[], Backbone], int], tuple[Backbone, ClassificationHead]] = {}
    found = []
    for row in rows:
        key = (row.build, row.classes)
        if key not in networks:
            networks[key] = built(row)
        backbone, head = networks[key]
        images = no_images(row.size, row.size)
        counts, _ = count(nn.ModuleList(networks[key]), lambda: head(backbone(images)))  # noqa: B023  (called at once)
        found.append(counts)
    gc.enable()
    return found


def records(rows: Sequence[Published]) -> list[dict[str, Any]]:
    """All rows as plain values."""
    return [compare(row, counts) for row, counts in zip(rows, sizes(rows), strict=True)]


def one_line_table(left: Sequence[str], right: Sequence[str], last: Sequence[str] = ()) -> Table:
    """A table whose rows never wrap: columns of text, of numbers, of text."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for names, justify in ((left, "left"), (right, "right"), (last, "left")):
        for name in names:
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def percent(fraction: float | None) -> str:
    """A signed difference, if there is one."""
    return "-" if fraction is None else f"{100 * fraction:+.2f}%"


def print_all(console: Console, rows: Sequence[Published]) -> None:
    """The table of published networks, with a footnote where a paper's figure is not what is counted."""
    table = one_line_table(
        ("network", "variant"),
        ("image", "params", "no BN", "MAdds", "paper\nparams", "paper\nMAdds", "Δ\nparams", "Δ\nMAdds", "check"),
        ("note",),
    )
    notes: dict[str, int] = {}
    for row, record in zip(rows, records(rows), strict=True):
        note = record["note"]
        classes = () if row.classes == 1000 else (f"{row.classes} classes",)
        table.add_row(
            row.backbone,
            ", ".join((row.variant, *classes)),
            f"{row.size}×{row.size}",
            f"{record['params'] / 1e6:.3f}M",
            f"{record['params_without_norm'] / 1e6:.3f}M",
            f"{record['madds'] / 1e6:,.1f}M",
            *row.printed,
            percent(record["difference_params"]),
            percent(record["difference_madds"]),
            f"{100 * record['check']:.2f}%",
            f"[{notes.setdefault(note, len(notes) + 1)}]" if note else "",
        )
    console.print(table)
    console.print(LEGEND)
    for note, index in notes.items():
        console.print(f"[{index}] {note}")


def print_parts(console: Console, parts: Sequence[Part]) -> None:
    """The table of blocks, with their sum."""
    table = one_line_table(
        ("#", "block", "input", "output"), ("kernel", "stride", "dilation", "params", "MAdds"), ("maps",)
    )
    for number, part in enumerate(parts):
        table.add_row(
            str(number),
            part.kind,
            "×".join(map(str, part.input)),
            "×".join(map(str, part.output)),
            part.kernel,
            str(part.stride),
            str(part.dilation),
            f"{part.params:,}",
            f"{part.madds:,}",
            " ".join(part.maps),
        )
    totals = sum(part.params for part in parts), sum(part.madds for part in parts)
    table.add_row("", "all", *[""] * 5, *(f"{total:,}" for total in totals))
    console.print(table)


def announced(backbone: Backbone, side: int) -> list[dict[str, Any]]:
    """Every map that the network names, with where it leaves and its (channels, height, width)."""
    with torch.no_grad():
        maps = backbone(no_images(side, side))
    return [
        {
            "map": name,
            "channels": feature.channels,
            "reduction": feature.reduction,
            "block": backbone.taps[name].block,
            "place": backbone.taps[name].place,
            "shape": tuple(maps[name].shape[1:]),
        }
        for name, feature in backbone.features.items()
    ]


def print_one(console: Console, row: Published, side: int, *, as_json: bool) -> None:
    """One network block by block, and the maps it announces.

    Raises:
        ValueError: if it takes no images of this size.
    """
    backbone, head = built(row)
    parts = parts_of(backbone, head, side, side)
    maps = announced(backbone, side)
    if as_json:
        blocks = [part._asdict() for part in parts]
        print(json.dumps({"backbone": row.backbone, "size": side, "blocks": blocks, "maps": maps}, indent=1))
        return
    console.print(f"{row.backbone}{', ' if row.variant else ''}{row.variant}: {side}×{side}, {row.classes} classes\n")
    print_parts(console, parts)
    table = one_line_table(("map",), ("channels", "reduction", "block"), ("place", "shape"))
    for named in maps:
        *values, shape = named.values()
        table.add_row(*map(str, values), "×".join(map(str, shape)))
    console.print()
    console.print(table)


def hint(name: str, names: Sequence[str]) -> str:
    """What to type instead of a name that is not there."""
    if name == "timm":
        return "timm's networks are not listed here: choose one by backbone=timm backbone.name=…"
    near = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"


def main() -> int:
    """Print what the command line asks for; the exit status is 2 for what there is not."""
    parser = argparse.ArgumentParser(prog="python -m backbones", description=__doc__)
    parser.add_argument("name", nargs="?", help="one network, as in backbone=…; all of them without")
    parser.add_argument("--size", type=int, help="height and width of its images")
    parser.add_argument("--json", action="store_true", help="for machines: whole numbers, no table")
    arguments = parser.parse_args()
    console = Console(width=WIDTH, markup=False, highlight=False, emoji=False)
    known = rows()
    if arguments.name is None:
        if arguments.size is not None:
            parser.error("--size goes with the name of one network")
        if arguments.json:
            print(json.dumps(records(known), indent=1))
        else:
            print_all(console, known)
        return 0
    chosen = [row for row in known if row.backbone == arguments.name]
    if not chosen:
        names = list(dict.fromkeys(row.backbone for row in known))
        print(f"no network {arguments.name!r}; {hint(arguments.name, names)}", file=sys.stderr)
        return 2
    row = next((row for row in chosen if not row.variant), chosen[0])
    side = row.size if arguments.size is None else arguments.size
    try:
        print_one(console, row, side, as_json=arguments.json)
    except (ValueError, RuntimeError) as error:
        print(f"{row.backbone} at {side}×{side}: {str(error).splitlines()[0]}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
