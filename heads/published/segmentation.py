"""Segmentation networks: MobileNetV3's tables 7 and 8 (Cityscapes), MobileNetV2's table 7 (VOC 2012)."""

from collections.abc import Callable
from functools import partial

from backbones.base import Backbone
from backbones.mobilenet_v1 import MobileNetV1
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from backbones.se_resnet import SEResNet
from heads.aspp import DeepLabV3
from heads.lraspp import LRASPP, RASPP
from heads.published.row import Published

ResNet101 = partial(SEResNet, depth=101, reduction=None)
V3Large = partial(MobileNetV3, size="large")
V3Small = partial(MobileNetV3, size="small")


def segmentation(
    name: str,
    backbone: Callable[..., Backbone],
    head: type[LRASPP] | type[RASPP],
    hidden: int,
    paper: str,
    params: float,
    madds: float,
    size: tuple[int, int] = (1024, 2048),
    output_stride: int = 16,
) -> Published:
    """A row of a Cityscapes table: 19 classes."""
    return Published(
        f"{name} {head.__name__} {hidden}",
        partial(backbone, output_stride=output_stride),
        lambda backbone: head(backbone.features, 19, hidden=hidden),
        *size,
        paper,
        (params, madds),
        crop=(size[0] + 1, size[1] + 1),
    )


def voc(
    name: str,
    backbone: Callable[..., Backbone],
    head: type[DeepLabV3] | type[RASPP],
    paper: str,
    params: float,
    madds: float,
    *,
    output_stride: int = 16,
) -> Published:
    """A row of the VOC table: 21 classes; output stride 8 with six scales and mirrored images."""
    return Published(
        f"{name} {head.__name__} OS{output_stride}",
        partial(backbone, output_stride=output_stride),
        lambda backbone: head(backbone.features, 21),
        513,
        513,
        paper,
        (params, madds),
        crop=(513, 513),
        scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75) if output_stride == 8 else (1.0,),
    )


V2_RF2 = partial(MobileNetV2, tail="segmentation")
V3L_RF2 = partial(V3Large, tail="segmentation")
V3S_RF2 = partial(V3Small, tail="segmentation")
HALF = (512, 1024)

# fmt: off
SEGMENTATION = (
    segmentation("V2", MobileNetV2, RASPP, 256, "2.11M 21.29B", 2.113, 20830),
    segmentation("V2 RF2", V2_RF2, RASPP, 256, "1.15M 13.68B", 1.159, 13400),
    segmentation("V2 RF2", V2_RF2, LRASPP, 256, "1.02M 12.83B", 1.031, 12570),
    segmentation("V2 RF2", V2_RF2, LRASPP, 128, "0.98M 12.57B", 0.987, 12320),
    segmentation("V3-L", V3Large, RASPP, 256, "3.60M 18.43B", 3.601, 17790),
    segmentation("V3-L RF2", V3L_RF2, RASPP, 256, "1.76M 11.24B", 1.762, 10830),
    segmentation("V3-L RF2", V3L_RF2, LRASPP, 256, "1.63M 10.33B", 1.633, 9950),
    segmentation("V3-L RF2", V3L_RF2, LRASPP, 128, "1.51M 9.74B", 1.507, 9370),
    segmentation("V2 0.5 RF2", partial(V2_RF2, width=0.5), LRASPP, 128, "0.28M 4.00B", 0.283, 3900),
    segmentation("V2 0.35 RF2", partial(V2_RF2, width=0.35), LRASPP, 128, "0.16M 2.54B", 0.169, 2460),
    segmentation("V3-S RF2", V3S_RF2, LRASPP, 128, "0.47M 2.90B", 0.469, 2730),
    segmentation("V3-L RF2 half size", V3L_RF2, LRASPP, 128, "- 2.48B", 1.507, 2340, HALF),
    segmentation("V3-L RF2 OS32", V3L_RF2, LRASPP, 128, "- 7.74B", 1.507, 7450, output_stride=32),
    segmentation("V3-L RF2 OS32 half size", V3L_RF2, LRASPP, 128, "- 1.98B", 1.507, 1860, HALF, 32),
    segmentation("V3-S RF2 half size", V3S_RF2, LRASPP, 128, "- 0.74B", 0.469, 680, HALF),
    segmentation("V3-S RF2 OS32", V3S_RF2, LRASPP, 128, "- 2.06B", 0.469, 1930, output_stride=32),
    segmentation("V3-L, no RF2", V3Large, LRASPP, 256, "-", 3.471, 16900),
    segmentation("V3-L, no RF2", V3Large, LRASPP, 128, "-", 3.223, 15800),
)

VOC = (  # V2's table 7; V2's heads read the map of 320 channels, the second last. V1's 941.9B are not reproduced
    voc("V1", MobileNetV1, DeepLabV3, "11.15M 14.25B", 11.145, 12761),
    voc("V1", MobileNetV1, DeepLabV3, "11.15M 941.9B", 11.145, 800700, output_stride=8),
    voc("V2", MobileNetV2, DeepLabV3, "4.52M 5.8B", 4.523, 5364),
    voc("V2", MobileNetV2, DeepLabV3, "4.52M 387B", 4.523, 327900, output_stride=8),
    voc("V2", MobileNetV2, RASPP, "2.11M 2.75B", 2.114, 2741),
    voc("V2", MobileNetV2, RASPP, "2.11M 152.6B", 2.114, 152300, output_stride=8),
    # DeepLab's ResNet-101 begins with three 3×3 convolutions (64, 64, 128) for the 7×7: 0.12M and 7.1B more.
    voc("ResNet-101", ResNet101, DeepLabV3, "58.16M 81.0B", 58.041, 71061),
)
# fmt: on
