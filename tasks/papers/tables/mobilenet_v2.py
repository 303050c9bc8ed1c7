"""MobileNetV2: Inverted Residuals and Linear Bottlenecks (Sandler et al., CVPR 2018)."""

from tasks.papers.table import Claim, Part, Table

CLASSIFY = ("top-1", "params", "MAdds")
FIGURE = "the paper prints no numbers"
SBD = "trained on VOC's own train, not on SBD's train_aug"

TABLES = (
    Table("v2.figure1", "what ReLU loses of a manifold", command="python -m backbones.manifold"),
    Table("v2.figure2-4", "the blocks", command="python -m backbones mobilenet_v2"),
    Table("v2.1", "the bottleneck block", command="python -m backbones formula k=3 c=24 n=24 h=56 t=6"),
    Table("v2.2", "the network", command="python -m backbones mobilenet_v2"),
    Table("v2.3", "memory at each resolution", command="python -m backbones mobilenet_v2",
          note="the command prints the shapes; ShuffleNet is not one of the networks"),
    Table(
        "v2.4", "ImageNet", "classify", CLASSIFY,
        (
            Part("paper/v2_table4", ("72.0 3.4M 300M", "74.7 6.9M 585M"), names=("V2", "V2 1.4")),
            Part("classify_imagenet_v1", ("70.6 4.2M 575M",), names=("V1",)),
        ),
        (Claim("V2", ">", "V1"), Claim("V2 1.4", ">", "V2")),
        note="ShuffleNet and NASNet-A are not among the networks (backbone=timm may have them)",
    ),
    Table(
        "v2.figure5", "widths at image sizes", "classify", ("top-1",), (Part("paper/v2_figure5", ("-",) * 20),),
        note=FIGURE,
    ),
    Table(
        "v2.figure6a", "linear bottlenecks", "classify", ("top-1",), (Part("paper/v2_figure6a", ("-", "-")),),
        (Claim("linear", ">", "relu6"),),
        note=FIGURE,
    ),
    Table(
        "v2.figure6b", "shortcuts", "classify", ("top-1",), (Part("paper/v2_figure6b", ("-", "-", "-")),),
        (Claim("bottleneck", ">", "expansion"), Claim("expansion", ">", "none")),
        note=FIGURE,
    ),
    Table(
        "v2.5", "SSD against SSDLite", "detect", ("mAP",), (Part("paper/v2_table5", ("-", "-")),),
        (Claim("ssdlite", "≈", "ssd"),),
        note="the paper prints costs of the head alone: python -m heads",
    ),
    Table(
        "v2.6", "SSDLite on COCO", "detect", ("mAP", "params", "MAdds"),
        (Part("paper/v2_table6", ("22.2 5.1M 1.3B", "22.1 4.3M 0.80B")),),
        (Claim("mobilenet_v2", "≈", "mobilenet_v1"),),
        note="SSD300, SSD512 and YOLOv2 have other backbones",
    ),
    Table(
        "v2.7", "DeepLabv3 and R-ASPP on VOC 2012", "segment", ("mIoU", "params", "MAdds"),
        (
            Part("paper/v2_table7", ("75.70 4.52M 5.8B", "75.32 2.11M 2.75B"), names=("V2 ASPP", "V2")),
            Part("paper/v2_table7", ("78.42 4.52M 387B", "77.33 2.11M 152.6B"), ("backbone.output_stride=8",),
                 ("V2 ASPP, stride 8", "V2, stride 8")),
            Part("paper/v2_table7_v1", ("75.29 11.15M 14.25B",), names=("V1 ASPP",)),
            Part("paper/v2_table7_resnet101", ("80.49 58.16M 81.0B",), names=("ResNet-101 ASPP",)),
        ),
        (Claim("V2", "≈", "V2 ASPP"), Claim("V2 ASPP", "≈", "V1 ASPP")),
        note=f"{SBD}; the paper's rows at stride 8 score several scales and mirrored images",
    ),
)  # fmt: skip
