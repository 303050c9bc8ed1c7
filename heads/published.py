"""The papers' networks with their published sizes, and the sizes that their definitions really give.

Sources: MobileNetV2 (CVPR 2018) table 4, MobileNetV3 (ICCV 2019) tables 3, 4, 7, 8 and figures 1, 5; TensorFlow's
model pages where the papers are silent. `measured` is in millions of parameters and of multiply-adds.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from backbones.base import Backbone
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from heads.base import Head
from heads.classification import ClassificationHead
from heads.lraspp import LRASPP, RASPP

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


def classification(
    name: str,
    backbone: Callable[[], Backbone],
    paper: str,
    params: float,
    madds: float,
    size: int = 224,
    hidden: int = 0,
) -> Published:
    """A row of an ImageNet table."""

    def head(backbone: Backbone) -> Head:
        return ClassificationHead(backbone.features, 1000, hidden=hidden or "paper")

    return Published(name, backbone, head, size, size, paper, (params, madds))


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
CLASSIFICATION = (
    classification("V2 1.0", MobileNetV2, "3.4M 300M", 3.505, 300.8),
    classification("V2 1.4", partial(MobileNetV2, width=1.4), "6.9M 585M", 6.109, 582.2),
    classification("V2 1.3", partial(MobileNetV2, width=1.3), "5.34M 509M", 5.387, 509.4),
    classification("V2 0.75", partial(MobileNetV2, width=0.75), "2.61M 209M", 2.636, 209.1),
    classification("V2 0.5", partial(MobileNetV2, width=0.5), "1.95M 97M", 1.969, 97.1),
    classification("V2 0.35", partial(MobileNetV2, width=0.35), "1.66M 59M", 1.677, 59.3),
    classification("V2 1.0 @192", MobileNetV2, "221M", 3.505, 221.3, 192),
    classification("V2 1.0 @160", MobileNetV2, "154M", 3.505, 154.1, 160),
    classification("V2 1.0 @128", MobileNetV2, "99M", 3.505, 99.1, 128),
    classification("V2 1.0 @96", MobileNetV2, "56M", 3.505, 56.3, 96),
    classification("V3-L 1.0", V3Large, "5.4M 219M", 5.483, 216.6),
    classification("V3-L 0.75", partial(V3Large, width=0.75), "4.0M 155M", 3.994, 154.6),
    classification("V3-L 0.75 torchvision", partial(V3Large, width=0.75, width_rule="torchvision"), "-", 3.378, 140.0),
    classification("V3-L 1.25", partial(V3Large, width=1.25), "7.5M 356M", 7.552, 355),
    classification("V3-L 0.5", partial(V3Large, width=0.5), "2.6M 69M", 2.690, 69.3),
    classification("V3-L 0.35", partial(V3Large, width=0.35), "2.2M 40M", 2.132, 39.5),
    classification("V3-L minimalistic", partial(V3Large, minimalistic=True), "3.9M 209M", 3.924, 209.1),
    classification("V3-L @256", V3Large, "282M", 5.483, 281.7, 256),
    classification("V3-L @192", V3Large, "160M", 5.483, 160.2, 192),
    classification("V3-L @160", V3Large, "112M", 5.483, 112.5, 160),
    classification("V3-L @128", V3Large, "73M", 5.483, 73.4, 128),
    classification("V3-L @96", V3Large, "43M", 5.483, 43.1, 96),
    classification("V3-S 1.0", V3Small, "2.5M 56M", 2.543, 56.5),
    classification("V3-S 1.0, hidden 1280", V3Small, "2.9M 66M", 2.947, 56.9, hidden=1280),
    classification("V3-S 0.75", partial(V3Small, width=0.75), "2.0M 44M", 2.042, 43.4),
    classification("V3-S 0.75 torchvision", partial(V3Small, width=0.75, width_rule="torchvision"), "-", 1.654, 39.1),
    classification("V3-S 1.25", partial(V3Small, width=1.25), "3.6M 91M", 3.646, 91.2),
    classification("V3-S 0.5", partial(V3Small, width=0.5), "1.6M 21M", 1.593, 21.1),
    classification("V3-S 0.35", partial(V3Small, width=0.35), "1.4M 12M", 1.358, 12.8),
    classification("V3-S minimalistic", partial(V3Small, minimalistic=True), "2.0M 65M", 2.045, 52.3),
    classification("V3-S @256", V3Small, "74M", 2.543, 73.2, 256),
    classification("V3-S @160", V3Small, "30M", 2.543, 29.9, 160),
    classification("V3-S @128", V3Small, "20M", 2.543, 19.9, 128),
    classification("V3-S @96", V3Small, "12M", 2.543, 12.1, 96),
)
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
