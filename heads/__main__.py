"""`python -m heads`: params and multiply-adds of published networks with their heads, next to the papers' figures."""

from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from backbones.options import Parser
from backbones.printing import WIDTH, one_line_table, percent
from backbones.published.shapes import uninitialised
from backbones.terminal import run_printing
from heads.base import Head
from heads.published.detection import DETECTION, HEADS
from heads.published.row import Published
from heads.published.segmentation import SEGMENTATION, VOC
from heads.published.tensorflow import counted_by_tensorflow
from heads.sizes import NoBackbone, Size, measure

LEGEND = """
params: all trainable ones; no BN: without BatchNorm's
paper: as printed. OS8 is with six scales and mirrored images
Δ: params (the nearer of the two) and MAdds against the paper's
Δ TF: with what the authors count besides: images of 1025×2049 for 1024×2048; one multiply-add for each value of an
  h-swish, a gate, a shortcut and a resize, with that of the logits to the image; padding of atrous convolutions
check: the larger difference of params and MAdds to what the network's definition is known to give
"""


def main() -> None:
    """Print the tables."""
    Parser(prog="python -m heads", description=__doc__).parse_args()
    console = Console(width=WIDTH)
    console.print(table_of("Segmentation, Cityscapes, 19 classes", SEGMENTATION))
    console.print(table_of("Segmentation, VOC, 21 classes", VOC))
    console.print(table_of("Detection, COCO", DETECTION))
    console.print(table_of("Predictors and additional maps alone", HEADS))
    console.print(LEGEND)


def table_of(title: str, rows: Sequence[Published]) -> Table:
    """A table with one row per network."""
    paper = ("paper\nparams", "paper\nMAdds", "Δ\nparams", "Δ\nMAdds", *(["Δ TF\nMAdds"] if rows[0].crop else []))
    table = one_line_table((title,), ("image", "params", "no BN", "MAdds", *paper, "check"))
    for row in rows:
        size = size_of(row)
        params, madds = row.printed
        known = zip((size.params, size.madds), row.measured, strict=True)
        check = max(abs(count / (1e6 * definition) - 1) for count, definition in known)
        counts = (size.params, size.params_without_norm)
        differences = [
            min(map(params.difference, counts), key=abs) if params else None,
            madds.difference(size.madds) if madds else None,
        ]
        if row.crop:
            differences.append(madds.difference(as_its_authors_count(row)) if madds else None)
        table.add_row(
            row.name,
            f"{row.height}×{row.width}",
            *(f"{count / 1e6:.3f}M" for count in counts),
            f"{size.madds / 1e6:,.1f}M",
            *[*row.paper.split(), "-"][:2],
            *map(percent, differences),
            f"{100 * check:.2f}%",
        )
    return table


def size_of(row: Published) -> Size:
    """The cost of the row's network."""
    backbone, head = built(row)
    sizes = [measure(backbone, head, *size) for size in row.passes(row.height, row.width)]
    return sizes[0]._replace(madds=sum(size.madds for size in sizes))


def as_its_authors_count(row: Published) -> int:
    """Multiply-adds of the row's network at its authors' size, with what they count besides convolutions."""
    assert row.crop
    backbone, head = built(row)
    return sum(counted_by_tensorflow(backbone, head, *size) for size in row.passes(*row.crop))


def built(row: Published) -> tuple[nn.Module, Head]:
    """The row's network, without memory."""
    with torch.device("meta"), uninitialised():
        backbone = row.backbone()
        head = row.head(backbone)
        backbone.keep(head.maps)
    return NoBackbone(backbone.features) if row.head_only else backbone, head


if __name__ == "__main__":
    run_printing(main)
