"""The slides on separable convolutions and MBConv: cost formulas."""

from tasks.papers.table import Table

FORMULA = "python -m backbones formula k=3 c=64 n=128 h=56"

TABLES = (
    Table("slides.separable", "cost of a separable convolution, 1/n + 1/k²", command=FORMULA),
    Table("slides.mbconv", "cost of MBConv, with squeeze-and-excite and fused", command=f"{FORMULA} t=6 r=4"),
    Table(
        "slides.blocks",
        "every block against the plain convolution it replaces",
        command="python -m backbones mobilenet_v2",
    ),
)
