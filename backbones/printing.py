"""Prints tables of networks: all of the papers', some by name, one block by block."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from backbones.published.anatomy import Part, whole
from backbones.published.row import Published

WIDTH = 140  # in a terminal and in a pipe
LEGEND = """
params: all trainable ones, with 1000 classes unless the variant says otherwise; no BN: without BatchNorm's
paper: as printed; MobileNetV2's widths 1.3, 0.75, 0.5 and 0.35 are the authors' page's, which leaves BatchNorm's out
Δ: params and MAdds against the paper's
check: the larger difference of params and MAdds to what the network's definition is known to give
"""
SHARES = """
/plain: params without BatchNorm's and MAdds, relative to one plain k×k convolution with the block's input channels,
output channels and stride, where k is its largest depthwise kernel. A depthwise separable convolution with n output
channels has 1/n + 1/k² of it. An inverted residual is compared between its narrow ends and may exceed 100%: it
has t times as many channels inside. -: no depthwise convolution. all: against the network with these blocks plain
"""


def one_line_table(left: Sequence[str], right: Sequence[str], last: Sequence[str] = ()) -> Table:
    """A table whose rows never wrap: columns of text, then numbers, then text."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for names, justify in ((left, "left"), (right, "right"), (last, "left")):
        for name in names:
            table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def percent(fraction: float | None) -> str:
    """Format a signed difference; '-' if None."""
    return "-" if fraction is None else f"{100 * fraction:+.2f}%"


def share(fraction: float | None) -> str:
    """Format a share; '-' if None."""
    return "-" if fraction is None else f"{100 * fraction:.1f}%"


def counted(record: Mapping[str, Any]) -> tuple[str, str, str]:
    """Params, params without BatchNorm's and MAdds, in millions."""
    params, bare, madds = (record[key] / 1e6 for key in ("params", "params_without_norm", "madds"))
    return f"{params:.3f}M", f"{bare:.3f}M", f"{madds:,.1f}M"


def print_all(console: Console, rows: Sequence[Published], records: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of published networks, with a footnote if a paper's figure is not the count.

    Args:
        records: the rows as plain values (backbones/published/compare.py).
    """
    table = one_line_table(
        ("network", "variant"),
        ("image", "params", "no BN", "MAdds", "paper\nparams", "paper\nMAdds", "Δ\nparams", "Δ\nMAdds", "check"),
        ("note",),
    )
    notes: dict[str, int] = {}
    for row, record in zip(rows, records, strict=True):
        note = record["note"]
        classes = () if row.classes == 1000 else (f"{row.classes} classes",)
        table.add_row(
            row.backbone,
            ", ".join((row.variant, *classes)),
            f"{row.size}×{row.size}",
            *counted(record),
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


def print_some(console: Console, records: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of networks chosen by name, with the origin recorded in a block table."""
    table = one_line_table(("network",), ("image", "classes", "params", "no BN", "MAdds"), ("origin",))
    for text in (table.columns[0], table.columns[-1]):  # paths and origins may be long
        text.no_wrap, text.overflow = False, "fold"
    for record in records:
        table.add_row(
            record["backbone"],
            f"{record['size']}×{record['size']}",
            str(record["classes"]),
            *counted(record),
            record["origin"] or "",
        )
    console.print(table)


def print_parts(console: Console, parts: Sequence[Part]) -> None:
    """Print the table of blocks, with their sum."""
    plain = ("params\n/plain", "MAdds\n/plain") if whole(parts) else ()
    table = one_line_table(
        ("#", "block", "input", "output"), ("kernel", "stride", "dilation", "params", "MAdds", *plain), ("maps",)
    )
    table.columns[-1].no_wrap = False
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
            *map(share, part.shares if plain else ()),
            " ".join(part.maps),
        )
    totals = sum(part.params for part in parts), sum(part.madds for part in parts)
    table.add_row("", "all", *[""] * 5, *(f"{total:,}" for total in totals), *map(share, whole(parts) or ()))
    console.print(table)
    if plain:
        console.print(SHARES.rstrip())


def print_maps(console: Console, maps: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of a network's maps."""
    table = one_line_table(("map",), ("channels", "reduction", "block"), ("place", "shape"))
    for named in maps:
        *values, shape = named.values()
        table.add_row(*map(str, values), "×".join(map(str, shape)))
    console.print(table)
