"""The papers' segmentation and detection networks with their published sizes and the sizes of their definitions.

Source: MobileNetV3 (ICCV 2019) tables 6, 7 and 8, MobileNetV2 (CVPR 2018) table 6. `measured` is in millions of
parameters and multiply-adds. For networks with only a classifier see `backbones.published`.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from backbones.base import Backbone
from backbones.mobilenet_v1 import MobileNetV1
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from heads import anchors
from heads.base import Head
from heads.lraspp import LRASPP, RASPP
from heads.ssdlite import SSDLite

V3Large = partial(MobileNetV3, size="large")
V3Small = partial(MobileNetV3, size="small")


class Published(NamedTuple):
    """One row: how to build the network, at which image size, and what it should cost."""

    name: str
    backbone: Callable[[], Backbone]
    head: Callable[[Backbone], Head]
    height: int
    width: int
    paper: str
    measured: tuple[float, float]


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
    segmentation("V3-L RF2 half size", V3L_RF2, LRASPP, 128, "2.48B", 1.507, 2340, HALF),
    segmentation("V3-L RF2 OS32", V3L_RF2, LRASPP, 128, "7.74B", 1.507, 7450, output_stride=32),
    segmentation("V3-L RF2 OS32 half size", V3L_RF2, LRASPP, 128, "1.98B", 1.507, 1860, HALF, 32),
    segmentation("V3-S RF2 half size", V3S_RF2, LRASPP, 128, "0.74B", 0.469, 680, HALF),
    segmentation("V3-S RF2 OS32", V3S_RF2, LRASPP, 128, "2.06B", 0.469, 1930, output_stride=32),
    segmentation("V3-L, no RF2", V3Large, LRASPP, 256, "-", 3.471, 16900),
    segmentation("V3-L, no RF2", V3Large, LRASPP, 128, "-", 3.223, 15800),
)
# fmt: on


def detection(
    name: str,
    backbone: Callable[[], Backbone],
    paper: str,
    params: float,
    madds: float,
    *,
    classes: int = 90,
    width: float = 1.0,
    anchors: Callable[[int], anchors.Anchors] = anchors.paper,
) -> Published:
    """A row of a COCO table at 320×320; a width also scales the head's additional maps.

    The V3 paper counts 91 outputs and no normalisation; the V2 paper's rows match 81.
    """
    extras = [int(width * channels) for channels in (512, 256, 256, 128)]
    return Published(
        f"{name}, {classes + 1} outputs",
        backbone,
        lambda backbone: SSDLite(backbone.features, classes, extras=extras, anchors=anchors),
        320,
        320,
        paper,
        (params, madds),
    )


V3L_HALVED = partial(V3Large, tail="detection")
V3S_HALVED = partial(V3Small, tail="detection")
V2_05 = partial(MobileNetV2, width=0.5, thin_last=True)
V2_035 = partial(MobileNetV2, width=0.35, thin_last=True)

# fmt: off
DETECTION = (
    detection("V1", MobileNetV1, "5.1M 1.3B", 5.101, 1309, classes=80),
    detection("V1", MobileNetV1, "5.1M 1.3B", 5.247, 1322),
    detection("V2", MobileNetV2, "4.3M 0.80B", 4.337, 789, classes=80),
    detection("V2", MobileNetV2, "4.3M 0.80B", 4.500, 804),
    detection("V3-L", V3Large, "4.97M 0.62B", 5.007, 613),
    detection("V3-L halved", V3L_HALVED, "3.22M 0.51B", 3.248, 507),
    detection("V3-S", V3Small, "2.49M 0.21B", 2.518, 210),
    detection("V3-S halved", V3S_HALVED, "1.77M 0.16B", 1.786, 162),
    detection("V2 0.5", V2_05, "1.54M 0.27B", 1.562, 272, width=0.5),
    detection("V2 0.35", V2_035, "0.93M 0.16B", 0.948, 167, width=0.35),
    detection("V3-L halved, torchvision's", V3L_HALVED, "3.44M 0.58B", 3.440, 583, anchors=anchors.torchvision),
    detection("V3-L, torchvision's", V3Large, "-", 5.199, 690, anchors=anchors.torchvision),
)
# fmt: on
