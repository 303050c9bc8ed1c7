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
from backbones.published.row import Published
from backbones.published.shapes import Counts, count, no_images, uninitialised
from heads.classification import ClassificationHead

TABLES = ("backbones.published.mobilenets", "backbones.published.se")
WIDTH = 140  # of the tables, on a terminal and in a pipe alike


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
    return [
        {
            "backbone": row.backbone,
            "variant": row.variant,
            "size": row.size,
            "classes": row.classes,
            **size._asdict(),
            "paper": row.paper,
            "measured_params": round(row.measured[0] * 1e6),
            "measured_madds": round(row.measured[1] * 1e6),
            "note": row.note,
        }
        for row, size in zip(rows, sizes(rows), strict=True)
    ]


def one_line_table(left: Sequence[str], right: Sequence[str], last: Sequence[str] = ()) -> Table:
    """A table whose rows never wrap: columns of text, of numbers, of text."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for names, justify in ((left, "left"), (right, "right"), (last, "left")):
        for name in names:
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def print_all(console: Console, rows: Sequence[Published]) -> None:
    """The table of published networks; the last figures are how far they are from what their definition gives."""
    table = one_line_table(
        ("network", "variant"),
        ("image", "classes", "params", "no BN", "MAdds"),
        ("paper", "Δ params", "Δ MAdds", "note"),
    )
    notes: dict[str, int] = {}
    for row, size in zip(rows, sizes(rows), strict=True):
        footnote = f"[{notes.setdefault(row.note, len(notes) + 1)}]" if row.note else ""
        table.add_row(
            row.backbone,
            row.variant,
            f"{row.size}×{row.size}",
            str(row.classes),
            f"{size.params / 1e6:.3f}M",
            f"{size.params_without_norm / 1e6:.3f}M",
            f"{size.madds / 1e6:,.1f}M",
            row.paper,
            f"{100 * (size.params / 1e6 / row.measured[0] - 1):+.2f}%",
            f"{100 * (size.madds / 1e6 / row.measured[1] - 1):+.2f}%",
            footnote,
        )
    console.print(table)
    console.print("\nΔ: difference to what the network's definition gives, written down beside it.")
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
        near = difflib.get_close_matches(arguments.name, names, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
        print(f"no network {arguments.name!r}; {hint}", file=sys.stderr)
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
