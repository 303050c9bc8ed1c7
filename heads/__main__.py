"""`python -m heads`: params and multiply-adds of published networks with their heads, next to the papers' figures."""

from collections.abc import Iterable

import torch
from rich.console import Console
from rich.table import Table

from backbones.terminal import run_printing
from heads.published import DETECTION, SEGMENTATION, Published
from heads.sizes import Size, measure


def size_of(row: Published) -> Size:
    """Build the row's network without allocating memory and count it."""
    with torch.device("meta"):
        backbone = row.backbone()
        head = row.head(backbone)
        backbone.keep(head.maps)
    return measure(backbone, head, row.height, row.width)


def main() -> None:
    """Print the tables; the last columns are the difference from the definition's known size, in per cent."""
    console = Console(width=120)
    console.print(table_of("Segmentation, 19 classes", SEGMENTATION))
    console.print(table_of("SSDLite detection, COCO", DETECTION))


def table_of(title: str, rows: Iterable[Published]) -> Table:
    """A table with one row per network."""
    table = Table("network", "image", "paper", title=title, title_justify="left")
    for column in ("params", "no BN", "MAdds", "Δ params %", "Δ MAdds %"):
        table.add_column(column, justify="right")
    for row in rows:
        size = size_of(row)
        params, madds = size.params / 1e6, size.madds / 1e6
        table.add_row(
            row.name,
            f"{row.height}×{row.width}",
            row.paper,
            f"{params:.3f}M",
            f"{size.params_without_norm / 1e6:.3f}M",
            f"{madds:,.1f}M",
            f"{100 * (params / row.measured[0] - 1):+.2f}",
            f"{100 * (madds / row.measured[1] - 1):+.2f}",
        )
    return table


if __name__ == "__main__":
    run_printing(main)
