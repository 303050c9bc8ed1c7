"""`python -m heads`: params and multiply-adds of published networks with their heads, next to the papers' figures."""

from collections.abc import Iterable

import torch
from rich.console import Console
from rich.table import Table

from backbones.printing import WIDTH, one_line_table, percent
from backbones.terminal import run_printing
from heads.published.detection import DETECTION, HEADS
from heads.published.row import Published
from heads.published.segmentation import SEGMENTATION
from heads.sizes import NoBackbone, Size, measure

LEGEND = """
params: all trainable ones; no BN: without BatchNorm's
Δ: params (the nearer of the two) and MAdds against the paper's
check: the larger difference of params and MAdds to what the network's definition is known to give
"""


def size_of(row: Published) -> Size:
    """Build the row's network without allocating memory and count it."""
    with torch.device("meta"):
        backbone = row.backbone()
        head = row.head(backbone)
        backbone.keep(head.maps)
    return measure(NoBackbone(backbone.features) if row.head_only else backbone, head, row.height, row.width)


def main() -> None:
    """Print the tables."""
    console = Console(width=WIDTH)
    console.print(table_of("Segmentation, 19 classes", SEGMENTATION))
    console.print(table_of("SSD and SSDLite detection, COCO", DETECTION))
    console.print(table_of("Predictors and additional maps alone", HEADS))
    console.print(LEGEND)


def table_of(title: str, rows: Iterable[Published]) -> Table:
    """A table with one row per network."""
    table = one_line_table(
        (title,),
        ("image", "params", "no BN", "MAdds", "paper\nparams", "paper\nMAdds", "Δ\nparams", "Δ\nMAdds", "check"),
    )
    for row in rows:
        size = size_of(row)
        params, madds = row.printed
        definition = (1e6 * measured for measured in row.measured)
        check = max(abs(a / b - 1) for a, b in zip((size.params, size.madds), definition, strict=True))
        counts = (size.params, size.params_without_norm)
        table.add_row(
            row.name,
            f"{row.height}×{row.width}",
            *(f"{count / 1e6:.3f}M" for count in counts),
            f"{size.madds / 1e6:,.1f}M",
            *[*row.paper.split(), "-"][:2],
            percent(min(map(params.difference, counts), key=abs) if params else None),
            percent(madds.difference(size.madds) if madds else None),
            f"{100 * check:.2f}%",
        )
    return table


if __name__ == "__main__":
    run_printing(main)
