"""Searching for MobileNetV3 (Howard et al., ICCV 2019)."""

from tasks.papers.table import Claim, Data, Part, Table

CLASSIFY = ("top-1", "params", "MAdds")
SEGMENT = ("mIoU", "params", "MAdds")
LARGE, SMALL = "classify_imagenet_v3_large", "classify_imagenet_v3_small"
PHONES = "measured on phones; mode=benchmark measures this machine"

TABLES = (
    Table("v3.1", "V3-Large", command="python -m backbones mobilenet_v3_large"),
    Table("v3.2", "V3-Small", command="python -m backbones mobilenet_v3_small"),
    Table("v3.figure1", "accuracy and latency", "classify", ("top-1",), (Part("paper/v3_table3", ("-",) * 4),),
          note=PHONES),
    Table("v3.figure2", "accuracy and multiply-adds", "classify", ("top-1",), (Part("paper/v3_table3", ("-",) * 4),),
          note="the paper prints no numbers"),
    Table("v3.figure3-4", "the blocks", command="python -m backbones mobilenet_v3_large"),
    Table("v3.figure6", "sigmoid, swish and their hard versions",
          note="formulas; torch.nn.Hardswish and Hardsigmoid are used"),
    Table(
        "v3.figure5", "the last stage", "classify", ("top-1",), (Part("paper/v3_figure5", ("75.2", "-")),),
        (Claim("efficient", "≈", "original"),),
    ),
    Table(
        "v3.stem", "16 or 32 filters in the first layer (section 5.1)", "classify", ("top-1",),
        (Part("paper/v3_stem", ("75.2", "-")),),
        (Claim("16", "≈", "32"),),
    ),
    Table(
        "v3.excite", "squeeze-and-excite (section 5.3)", "classify", ("top-1",),
        (Part("paper/v3_excite", ("75.2", "-"), names=("with", "without")),),
        (Claim("with", ">", "without"),),
    ),
    Table(
        "v3.3", "ImageNet", "classify", CLASSIFY,
        (
            Part("paper/v3_table3", ("75.2 5.4M 219M", "67.4 2.5M 56M", "75.2 3.9M 315M", "72.0 3.4M 300M")),
            Part(LARGE, ("73.3 4.0M 155M",), ("backbone.width=0.75",), ("V3-Large 0.75",)),
            Part(SMALL, ("65.4 2.0M 44M",), ("backbone.width=0.75",), ("V3-Small 0.75",)),
            Part(LARGE, ("60.8 1.6M 59.2M",), ("backbone=mobilenet_v2", "backbone.width=0.35"), ("V2 0.35",)),
        ),
        (Claim("mobilenet_v3_large", ">", "mobilenet_v2"), Claim("mobilenet_v3_small", ">", "V2 0.35")),
        note="Proxyless and MnasNet-small are not among the networks",
    ),
    Table("v3.4", "8-bit networks",
          command="python -m tasks.classify mode=export checkpoint=<best.ckpt> export.precision=int8 dataset=imagenet",
          note="needs networks trained on ImageNet"),
    Table(
        "v3.5", "non-linearities", "classify", ("top-1",),
        (Part("paper/v3_table5", ("75.2", "74.5", "-", "75.4", "-", "-", "75.0")),),
        (Claim("hard_swish@16", "≈", "paper"), Claim("paper", ">", "relu"), Claim("paper", "≈", "hard_swish@112")),
    ),
    Table(
        "v3.6", "SSDLite on COCO", "detect", ("mAP", "params", "MAdds"),
        (
            Part("paper/v3_table6", ("22.2 5.1M 1.3B", "22.1 4.3M 0.80B", "22.0 4.97M 0.62B", "16.0 2.49M 0.21B")),
            Part("paper/v3_table6_halved", ("22.0 3.22M 0.51B", "16.1 1.77M 0.16B"),
                 names=("V3-Large halved", "V3-Small halved")),
            Part("paper/v3_table6_v2_035", ("13.7 0.93M 0.16B",), names=("V2 0.35",)),
            Part("paper/v3_table6_v2_050", ("16.6 1.54M 0.27B",), names=("V2 0.5",)),
        ),
        (
            Claim("mobilenet_v3_large", "≈", "mobilenet_v2"),
            Claim("V3-Large halved", "≈", "mobilenet_v3_large"),
            Claim("V3-Small halved", ">", "V2 0.35"),
        ),
        counted=Data(90, (320, 320)),
        note="MnasNet's rows: backbone=mnasnet_a1",
    ),
    Table(
        "v3.7", "Cityscapes, validation", "segment", SEGMENT,
        (
            Part("paper/v3_table7_raspp",
                 ("72.84 2.11M 21.29B", "72.56 1.15M 13.68B", "72.64 3.60M 18.43B", "71.91 1.76M 11.24B"),
                 names=("1 V2", "2 V2 RF2", "5 V3-L", "6 V3-L RF2")),
            Part("paper/v3_table7_lraspp",
                 ("72.97 1.02M 12.83B", "72.74 0.98M 12.57B", "72.37 1.63M 10.33B", "72.36 1.51M 9.74B"),
                 names=("3 V2 LR 256", "4 V2 LR 128", "7 V3-L LR 256", "8 V3-L LR 128")),
            Part("paper/v3_table7_narrow", ("68.57 0.28M 4.00B", "66.83 0.16M 2.54B"),
                 names=("9 V2 0.5", "10 V2 0.35")),
            Part("segment_cityscapes_v3_small", ("68.38 0.47M 2.90B",), names=("11 V3-S",)),
        ),
        (
            Claim("7 V3-L LR 256", ">", "6 V3-L RF2"),
            Claim("3 V2 LR 256", ">", "2 V2 RF2"),
            Claim("8 V3-L LR 128", "≈", "7 V3-L LR 256"),
            Claim("11 V3-S", ">", "10 V2 0.35"),
        ),
    ),
    Table(
        "v3.8", "Cityscapes, test", "segment", SEGMENT,
        (Part("paper/v3_table8", ("72.6 1.51M 9.74B", "72.0 1.51M 7.74B", "69.4 0.47M 2.90B", "68.3 0.47M 2.06B")),),
        (Claim("mobilenet_v3_large 16", ">", "mobilenet_v3_large 32"),),
        note="scored on the validation images: the test set's labels are not public",
    ),
    Table(
        "v3.figure7", "widths and image sizes", "classify", ("top-1",),
        (
            Part("paper/v3_figure7_widths",
                 ("64.2", "68.8", "73.3", "75.2", "76.6", "49.8", "58.0", "65.4", "67.5", "70.4")),
            Part("paper/v3_figure7_sizes",
                 ("63.3", "68.4", "71.7", "73.7", "75.2", "76.0", "51.7", "57.3", "62.8", "-", "67.5", "68.5")),
        ),
    ),
    Table("v3.figure8", "h-swish and latency",
          command="python -m tasks.classify -m experiment=paper/v3_table5 mode=benchmark", note=PHONES),
    Table(
        "v3.figure9", "from one component to the next", "classify", ("top-1",),
        (
            Part("paper/v3_figure5", ("75.2", "-"), names=("V3-Large", "original last stage")),
            Part("paper/v3_excite", ("75.2", "-"), names=("V3-Large, again", "without squeeze-and-excite")),
            Part(LARGE, ("74.5",), ("backbone.activation=relu",), ("ReLU",)),
        ),
        note="the paper's figure also counts latencies of phones, and begins with a network that it does not define",
    ),
    Table("v3.figure10", "Lite R-ASPP", command="python -m heads"),
)  # fmt: skip
