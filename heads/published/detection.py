"""Detection networks: MobileNetV3's table 6, MobileNetV2's tables 5 and 6, MobileNetV1's table 13."""

from collections.abc import Callable
from functools import partial

from backbones.base import Backbone
from backbones.mobilenet_v1 import MobileNetV1
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from heads import anchors
from heads.published.row import Published
from heads.ssd_layers import Convolution
from heads.ssdlite import SSDLite


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
    convolution: Convolution = "separable",
    kernel: int = 3,
    size: int = 320,
    head_only: bool = False,
) -> Published:
    """A row of a COCO table; a width also scales the head's additional maps.

    The V3 paper counts 91 outputs and no normalisation; the V2 paper's rows match 81.
    """
    extras = [int(width * channels) for channels in (512, 256, 256, 128)]
    return Published(
        f"{name}, {classes + 1} outputs",
        backbone,
        lambda backbone: SSDLite(
            backbone.features, classes, extras=extras, anchors=anchors, convolution=convolution, kernel=kernel
        ),
        size,
        size,
        paper,
        (params, madds),
        head_only,
    )


V3Large = partial(MobileNetV3, size="large")
V3Small = partial(MobileNetV3, size="small")
V3L_HALVED = partial(V3Large, tail="detection")
V3S_HALVED = partial(V3Small, tail="detection")
V2_05 = partial(MobileNetV2, width=0.5, thin_last=True)
V2_035 = partial(MobileNetV2, width=0.35, thin_last=True)
full = partial(detection, convolution="full")

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
    full("V1 SSD", MobileNetV1, "6.8M 1.2B", 6.820, 1237, kernel=1, size=300),  # V1's table 13; 1×1 predictors
)

HEADS = (  # V2's table 5
    # The printed 1.25B are those of 80 outputs, which have 14.63M params.
    full("SSD of V2", MobileNetV2, "14.8M 1.25B", 14.777, 1259, classes=80, head_only=True),
    # 0.35B counts a multiplication and an addition as two; the 0.80B of V2's table 6, with the backbone, as one.
    detection("SSDLite of V2", MobileNetV2, "2.1M 0.35B", 2.113, 178, classes=80, head_only=True),
)
# fmt: on
