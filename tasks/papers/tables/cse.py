"""Further Optimize MobileNetV2 with Channel-wise Squeeze and Excitation (Park, KIBME 2021)."""

from tasks.papers.table import Claim, Part, Table

COLUMNS = ("top-1", "params")
OURS = "constructions of ours: the paper prints their sizes and scores, not their layouts"
BASELINE = ("backbone=mobilenet_v2",)
MINI = ("wants.skip_strides=2",)

TABLES = (
    Table("cse.1", "the network", command="python -m backbones mobilenet_v2_cse"),
    Table(
        "cse.2", "CIFAR-10", "classify", COLUMNS,
        (
            Part("paper/cse_table2", ("90.03 0.363M", "90.01 0.425M", "88.13 0.228M")),
            Part("classify_cifar10_cse", ("91.74 2.253M",), BASELINE, ("V2",)),
        ),
        (Claim("V2", ">", "mix"), Claim("mix", "≈", "optimized"), Claim("mix", ">", "cse_only")),
        MINI,
        note=f"optimized and cse_only are {OURS}",
    ),
    Table(
        "cse.3", "CIFAR-100", "classify", COLUMNS,
        (
            Part("paper/cse_table3", ("63.34 0.478M", "63.74 0.541M")),
            Part("classify_cifar100_cse", ("70.4 2.253M",), BASELINE, ("V2",)),
        ),
        (Claim("V2", ">", "mix"), Claim("mix", "≈", "optimized")),
        MINI,
        note="optimized is a construction of ours; 2.253M is the number for ten classes",
    ),
    Table(
        "cse.4", "Imagenette", "classify", COLUMNS,
        (
            Part("paper/cse_table4", ("91.31 0.444M", "85.554 0.453M")),
            Part("classify_imagenette_cse", ("91.56 2.253M",), BASELINE, ("V2",)),
        ),
        (Claim("V2", "≈", "mix"), Claim("mix", ">", "cse_only")),
        MINI,
        note=f"cse_only is one of the {OURS}",
    ),
)  # fmt: skip
