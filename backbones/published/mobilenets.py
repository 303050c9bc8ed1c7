"""The MobileNets of their papers' ImageNet tables.

Sources: MobileNets (2017) tables 4 to 7; MobileNetV2 (CVPR 2018) table 4; MobileNetV3 (ICCV 2019) tables 3 and 4,
figures 1 and 5; MnasNet (CVPR 2019) table 1; MobileNetV4 (ECCV 2024); the authors' model pages for what the papers
omit, and for EfficientNet-Lite; torchvision's page for MnasNet-B1.
"""

from collections.abc import Callable
from functools import partial

from backbones.base import Backbone
from backbones.efficientnet_lite import EfficientNetLite0
from backbones.mnasnet import MNASNet
from backbones.mobilenet_v1 import MobileNetV1
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3_variants import MobileNetV3
from backbones.mobilenet_v4 import MobileNetV4Conv
from backbones.published.row import Published


def with_hidden(build: Callable[[], Backbone], channels: int) -> Backbone:
    """A network with another declared width for the layer after its pooling."""
    backbone = build()
    feature = backbone.features["c5"]
    assert feature.hidden is not None
    backbone.features["c5"] = feature._replace(hidden=feature.hidden._replace(channels=channels))
    return backbone


V1 = partial(Published, "mobilenet_v1")
V2 = partial(Published, "mobilenet_v2")
V3L = partial(Published, "mobilenet_v3_large")
V3S = partial(Published, "mobilenet_v3_small")
Large = partial(MobileNetV3, size="large")
Small = partial(MobileNetV3, size="small")
A1 = partial(MNASNet, variant="a1")
B1 = partial(MNASNet, variant="b1")
MORE_THAN_PRINTED = "not reproducible: the authors' code, like timm's, has 5 to 6 % more params and 8 % more MAdds"
PAGE_COUNTS_MORE = "authors' page counts 1 to 3 % more MAdds"

# fmt: off
ROWS: tuple[Published, ...] = (
    V1("", MobileNetV1, "4.2M 569M", (4.232, 568.7)),
    V1("width 0.75", partial(MobileNetV1, width=0.75), "2.6M 325M", (2.586, 325.4)),
    V1("width 0.5", partial(MobileNetV1, width=0.5), "1.3M 149M", (1.332, 149.5)),
    V1("width 0.25", partial(MobileNetV1, width=0.25), "0.5M 41M", (0.470, 41.0)),
    V1("", MobileNetV1, "- 418M", (4.232, 418.1), 192),
    V1("", MobileNetV1, "- 290M", (4.232, 290.7), 160),
    V1("", MobileNetV1, "- 186M", (4.232, 186.4), 128),
    V1("plain convolutions", partial(MobileNetV1, convolution="full"), "29.3M 4866M", (29.294, 4867.3)),
    V1("shallow", partial(MobileNetV1, shallow=True), "2.9M 307M", (2.888, 307.3)),
    V2("", MobileNetV2, "3.4M 300M", (3.505, 300.8)),
    V2("width 1.4", partial(MobileNetV2, width=1.4), "6.9M 585M", (6.109, 582.2),
       note="6.9M not reproducible; authors' page 6.06M"),
    V2("width 1.3", partial(MobileNetV2, width=1.3), "5.34M 509M", (5.387, 509.4)),
    V2("width 0.75", partial(MobileNetV2, width=0.75), "2.61M 209M", (2.636, 209.1)),
    V2("width 0.5", partial(MobileNetV2, width=0.5), "1.95M 97M", (1.969, 97.1)),
    V2("width 0.35", partial(MobileNetV2, width=0.35), "1.66M 59M", (1.677, 59.3)),
    V2("", MobileNetV2, "- 221M", (3.505, 221.3), 192),
    V2("", MobileNetV2, "- 154M", (3.505, 154.1), 160),
    V2("", MobileNetV2, "- 99M", (3.505, 99.1), 128),
    V2("", MobileNetV2, "- 56M", (3.505, 56.3), 96),
    V3L("", Large, "5.4M 219M", (5.483, 216.6)),
    V3L("width 0.75", partial(Large, width=0.75), "4.0M 155M", (3.994, 154.6)),
    V3L("width 0.75, torchvision's rule", partial(Large, width=0.75, width_rule="torchvision"), "-", (3.378, 140.0)),
    V3L("width 1.25", partial(Large, width=1.25), "7.5M 356M", (7.552, 355)),
    V3L("width 0.5", partial(Large, width=0.5), "2.6M 69M", (2.690, 69.3)),
    V3L("width 0.35", partial(Large, width=0.35), "2.2M 40M", (2.132, 39.5)),
    V3L("minimalistic", partial(Large, minimalistic=True), "3.9M 209M", (3.924, 209.1)),
    V3L("", Large, "- 282M", (5.483, 281.7), 256),
    V3L("", Large, "- 160M", (5.483, 160.2), 192),
    V3L("", Large, "- 112M", (5.483, 112.5), 160),
    V3L("", Large, "- 73M", (5.483, 73.4), 128),
    V3L("", Large, "- 43M", (5.483, 43.1), 96),
    V3S("", Small, "2.5M 56M", (2.543, 56.5)),
    V3S("hidden 1280", partial(with_hidden, Small, 1280), "2.9M 66M", (2.947, 56.9), note="66M not reproducible"),
    V3S("width 0.75", partial(Small, width=0.75), "2.0M 44M", (2.042, 43.4)),
    V3S("width 0.75, torchvision's rule", partial(Small, width=0.75, width_rule="torchvision"), "-", (1.654, 39.1)),
    V3S("width 1.25", partial(Small, width=1.25), "3.6M 91M", (3.646, 91.2)),
    V3S("width 0.5", partial(Small, width=0.5), "1.6M 21M", (1.593, 21.1)),
    V3S("width 0.35", partial(Small, width=0.35), "1.4M 12M", (1.358, 12.8)),
    V3S("minimalistic", partial(Small, minimalistic=True), "2.0M 65M", (2.045, 52.3), note="65M not reproducible"),
    V3S("", Small, "- 74M", (2.543, 73.2), 256),
    V3S("", Small, "- 30M", (2.543, 29.9), 160),
    V3S("", Small, "- 20M", (2.543, 19.9), 128),
    V3S("", Small, "- 12M", (2.543, 12.1), 96),
    Published("mnasnet_a1", "", A1, "3.9M 312M", (3.887, 311.6)),
    Published("mnasnet_a1", "width 1.4", partial(A1, width=1.4), "6.1M 591.5M", (6.106, 586.3)),
    Published("mnasnet_a1", "width 0.75", partial(A1, width=0.75), "2.9M 226.7M", (2.912, 223.4),
              note=PAGE_COUNTS_MORE),
    Published("mnasnet_a1", "width 0.5", partial(A1, width=0.5), "2.1M 105.2M", (2.082, 103.2), note=PAGE_COUNTS_MORE),
    Published("mnasnet_a1", "width 0.35", partial(A1, width=0.35), "1.7M 63.2M", (1.747, 61.7), note=PAGE_COUNTS_MORE),
    Published("mnasnet_b1", "", B1, "4.38M 314M", (4.383, 314.4)),
    Published("mnasnet_b1", "width 1.3", partial(B1, width=1.3), "6.28M 526M", (6.282, 526.4)),
    Published("mnasnet_b1", "width 0.75", partial(B1, width=0.75), "3.17M 215M", (3.170, 215.5)),
    Published("mnasnet_b1", "width 0.5", partial(B1, width=0.5), "2.22M 104M", (2.219, 104.5)),
    Published("mobilenet_v4_conv_small", "", MobileNetV4Conv, "3.8M 0.2B", (3.774, 186.0)),
    Published("mobilenet_v4_conv_medium", "", partial(MobileNetV4Conv, size="medium"), "9.2M 1.0B", (9.716, 1080.2),
              256, note=MORE_THAN_PRINTED),
    Published("mobilenet_v4_conv_large", "", partial(MobileNetV4Conv, size="large"), "31M 5.9B", (32.591, 6376.2),
              384, note=MORE_THAN_PRINTED),
    Published("efficientnet_lite0", "", EfficientNetLite0, "4.7M 407M", (4.652, 385.2),
              note="407M not reproducible; timm's has 385M too"),
)
# fmt: on
