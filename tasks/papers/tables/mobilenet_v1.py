"""MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications (Howard et al., 2017)."""

from tasks.papers.table import Claim, Data, Part, Table

CLASSIFY = ("top-1", "params", "MAdds")
PRIVATE = "the data is not public"
V1 = "classify_imagenet_v1"

TABLES = (
    Table("v1.1", "the network", command="python -m backbones mobilenet_v1"),
    Table("v1.2", "where the cost is: by kind of layer", command="python -m backbones mobilenet_v1"),
    Table("v1.3", "one layer, plain and separable", command="python -m backbones formula k=3 c=512 n=512 h=14"),
    Table("v1.figure1", "applications", note="photos"),
    Table("v1.figure2", "filters of the separable convolution",
          command="python -m backbones formula k=3 c=64 n=128 h=56"),
    Table(
        "v1.4", "separable against plain convolutions", "classify", CLASSIFY,
        (Part("paper/v1_table4", ("71.7 29.3M 4866M", "70.6 4.2M 569M")),),
        (Claim("full", "≈", "separable"),),
    ),
    Table(
        "v1.5", "narrow against shallow", "classify", CLASSIFY,
        (
            Part("paper/v1_table5", ("70.6 4.2M 569M", "65.3 2.9M 307M"), names=("whole", "shallow")),
            Part(V1, ("68.4 2.6M 325M",), ("backbone.width=0.75",), ("narrow",)),
        ),
        (Claim("narrow", ">", "shallow"),),
    ),
    Table(
        "v1.6", "width multiplier", "classify", CLASSIFY,
        (Part("paper/v1_table6", ("70.6 4.2M 569M", "68.4 2.6M 325M", "63.7 1.3M 149M", "50.6 0.5M 41M")),),
        (Claim("1.0", ">", "0.5"), Claim("0.5", ">", "0.25")),
    ),
    Table(
        "v1.7", "image size", "classify", CLASSIFY,
        (Part("paper/v1_table7", ("70.6 4.2M 569M", "69.1 4.2M 418M", "67.2 4.2M 290M", "64.4 4.2M 186M")),),
        (Claim("[224,224]", ">", "[128,128]"),),
    ),
    Table(
        "v1.8", "against GoogLeNet and VGG 16", "classify", CLASSIFY, (Part(V1, ("70.6 4.2M 569M",)),),
        note="the other networks are not MobileNets; torchvision has them",
    ),
    Table(
        "v1.9", "a small one, against SqueezeNet and AlexNet", "classify", CLASSIFY,
        (Part(V1, ("60.2 1.32M 76M",), ("backbone.width=0.5", "image_size=[160,160]"), ("0.5 at 160",)),),
        note="the other networks are not MobileNets; torchvision has them",
    ),
    Table(
        "v1.figure4", "all widths at all sizes", "classify", ("top-1",), (Part("paper/v1_figure4", ("-",) * 16),),
        note="the paper prints no numbers",
    ),
    Table(
        "v1.figure5", "the same by params", "classify", ("top-1",), (Part("paper/v1_figure4", ("-",) * 16),),
        note="the paper prints no numbers",
    ),
    Table("v1.10", "Stanford Dogs",
          note="pretrained on photos that are not public; dataset=folders reads Stanford Dogs"),
    Table("v1.11", "PlaNet: where a photo was taken", note=PRIVATE),
    Table("v1.12", "face attributes, distilled", note=PRIVATE),
    Table(
        "v1.13", "SSD on COCO", "detect", ("mAP", "params", "MAdds"),
        (Part("paper/v1_table13", ("19.3 6.8M 1.2B",)),),
        counted=Data(90, (300, 300)),
        note="Faster R-CNN's rows: two stages are not part of this project",
    ),
    Table("v1.14", "FaceNet", note=PRIVATE),
)  # fmt: skip
