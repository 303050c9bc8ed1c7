"""Squeeze-and-Excitation Networks (Hu et al., TPAMI 2019)."""

from tasks.papers.table import Claim, Part, Table

ERRORS = ("top-1 err", "top-5 err", "params", "GFLOPs")
MINI = ("backbone.width=0.25",)
OTHERS = "squeeze-and-excite in other networks is not built"

TABLES = (
    Table("senet.figure1-5", "the block and its places", command="python -m backbones se_resnet50"),
    Table("senet.1", "the networks", command="python -m backbones se_resnet50"),
    Table(
        "senet.2", "ImageNet, with and without squeeze-and-excite", "classify", ERRORS,
        (Part("paper/senet_table2", ("- 7.48 25.6M 3.86G", "- 6.62 28.1M 3.87G", "- 6.52 - -", "- - - -")),),
        (Claim("se_resnet50", ">", "resnet50"), Claim("se_resnet101", ">", "resnet101")),
        MINI,
        note=f"ResNet-50 and -101 only; {OTHERS}",
    ),
    Table("senet.3", "MobileNet and ShuffleNet with gates", note=OTHERS),
    Table("senet.4-5", "CIFAR-10 and CIFAR-100", note=OTHERS),
    Table("senet.6-9", "Places365, COCO, and other networks", note=OTHERS),
    Table(
        "senet.10", "reduction ratio", "classify", ERRORS,
        (
            Part("paper/senet_table10", (
                "22.29 6.00 45.7M -", "22.25 6.09 35.7M -", "22.26 5.99 30.7M -", "22.28 6.03 28.1M 3.87G",
                "22.72 6.20 26.9M -", "23.30 6.55 25.6M 3.86G",
            )),
        ),
        (Claim("16", "≈", "4"), Claim("16", ">", "null")),
        MINI,
    ),
    Table(
        "senet.11", "squeeze", "classify", ERRORS[:2], (Part("paper/senet_table11", ("22.57 6.09", "22.28 6.03")),),
        (Claim("avg", ">", "max"),), MINI,
    ),
    Table(
        "senet.12", "excitation", "classify", ERRORS[:2],
        (Part("paper/senet_table12", ("23.47 6.98", "23.00 6.38", "22.28 6.03")),),
        (Claim("sigmoid", ">", "tanh"), Claim("tanh", ">", "relu")), MINI,
    ),
    Table(
        "senet.13", "stages with gates", "classify", ERRORS,
        (
            Part("paper/senet_table13", (
                "23.30 6.55 25.6M 3.86G", "23.03 6.48 25.6M 3.86G", "23.04 6.32 25.7M 3.86G", "22.68 6.22 26.4M 3.86G",
                "22.28 6.03 28.1M 3.87G",
            )),
        ),
        (Claim("[4]", ">", "[2]"), Claim("[2,3,4,5]", ">", "[4]"), Claim("[2,3,4,5]", ">", "[]")),
        MINI,
    ),
    Table(
        "senet.14", "place of the gate", "classify", ERRORS[:2],
        (Part("paper/senet_table14", ("22.28 6.03", "22.23 6.00", "22.78 6.35", "22.20 6.15")),),
        (Claim("standard", "≈", "pre"), Claim("standard", "≈", "identity"), Claim("standard", ">", "post")), MINI,
    ),
    Table(
        "senet.15", "the gate after the 3×3 convolution", "classify", ERRORS[:3],
        (Part("paper/senet_table15", ("22.28 6.03 28.1M", "22.48 6.02 25.8M")),),
        (Claim("standard", "≈", "conv3x3"),), MINI,
    ),
    Table(
        "senet.16", "without the squeeze (section 7.1)", "classify", ("GFLOPs",),
        (Part("paper/senet_table16", ("3.87G", "4.27G")),),
        (Claim("avg", ">", "none"),), MINI,
    ),
    Table("senet.figure6-8", "activations of the gates", note="needs networks trained on ImageNet"),
)  # fmt: skip
