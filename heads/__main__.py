"""`python -m heads`: params and multiply-adds of every published segmentation network, beside the papers' figures."""

import torch
from rich.console import Console
from rich.table import Table

from heads.published import SEGMENTATION, Published
from heads.sizes import Size, measure


def size_of(row: Published) -> Size:
    """Build the row's network without memory and count it."""
    with torch.device("meta"):
        backbone = row.backbone()
        head = row.head(backbone)
        backbone.keep(head.maps)
    return measure(backbone, head, row.height, row.width)


def main() -> None:
    """Print the table; the last columns are the difference to the definition's known size, in per cent."""
    table = Table("network", "image", "paper", title="Segmentation, 19 classes", title_justify="left")
    for column in ("params", "no BN", "MAdds", "Δ params %", "Δ MAdds %"):
        table.add_column(column, justify="right")
    for row in SEGMENTATION:
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
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
