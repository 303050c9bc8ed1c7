"""Published weights that fit our networks, layer by layer: name, keys, licence and score. Nothing is downloaded here.

Scores are those that the publishers state: in torchvision 0.29's metadata of the weights; in timm's
results-imagenet.csv and its model cards of MobileNetV4, for timm's own crops. Licences: timm's are those of its
descriptions (pretrained_cfg.license); torchvision's documentation states none, and says that terms of the training
data may apply, which for ImageNet are research and no commercial use (image-net.org).
"""

from typing import NamedTuple

UNSTATED = "not stated"  # pytorch.org/vision/stable/models: "may have their own licenses or terms"


class PublishedWeights(NamedTuple):
    """Weights for one of our networks.

    Attributes:
        backbone: as in backbone=….
        source: as in weights=….
        keys: that make our network the one of the weights; '' if it is by default.
        score: in percent; None if no source was found.
        size: height and width of the images that it is stated for.
        metric: of the score: ImageNet-1K top-1, or COCO val2017 box mAP.
    """

    backbone: str
    source: str
    keys: str
    licence: str
    score: float | None
    size: int = 224
    metric: str = "top-1"
    note: str = ""

    @property
    def of_timm(self) -> bool:
        """Whether they come from timm."""
        return self.source.startswith("timm:")


EPS = "backbone.norm_eps=1e-5"
APACHE = "Apache-2.0"
HALF = "made for mean 0.5, std 0.5"

# fmt: off
ROWS = (
    PublishedWeights("mobilenet_v1", "timm:mobilenetv1_100.ra4_e3600_r224_in1k", EPS, APACHE, 75.388, note=HALF),
    PublishedWeights("mobilenet_v2", "MobileNet_V2_Weights.IMAGENET1K_V1", "", UNSTATED, 71.878),
    PublishedWeights("mobilenet_v2", "MobileNet_V2_Weights.IMAGENET1K_V2", "", UNSTATED, 72.154),
    PublishedWeights("mobilenet_v2", "timm:mobilenetv2_100.ra_in1k", "", APACHE, 72.910),
    PublishedWeights("mobilenet_v2", "timm:mobilenetv2_050.lamb_in1k", "backbone.width=0.5", APACHE, 65.928),
    PublishedWeights("mobilenet_v2", "timm:mobilenetv2_140.ra_in1k", "backbone.width=1.4", APACHE, 76.528),
    PublishedWeights("mobilenet_v3_large", "MobileNet_V3_Large_Weights.IMAGENET1K_V1", "", UNSTATED, 74.042),
    PublishedWeights("mobilenet_v3_large", "MobileNet_V3_Large_Weights.IMAGENET1K_V2", "", UNSTATED, 75.274),
    PublishedWeights("mobilenet_v3_large", "timm:mobilenetv3_large_100.ra_in1k", EPS, APACHE, 75.784),
    PublishedWeights("mobilenet_v3_large", "timm:mobilenetv3_large_100.ra4_e3600_r224_in1k",
                     f"{EPS} backbone.normalisation=half", APACHE, 76.310),
    PublishedWeights("mobilenet_v3_large", "SSDLite320_MobileNet_V3_Large_Weights.COCO_V1",
                     "experiment=detect_coco_torchvision", UNSTATED, 21.3, 320, "box mAP"),
    PublishedWeights("mobilenet_v3_small", "MobileNet_V3_Small_Weights.IMAGENET1K_V1", "", UNSTATED, 67.668),
    PublishedWeights("mobilenet_v3_small", "timm:mobilenetv3_small_100.lamb_in1k", EPS, APACHE, 67.636),
    PublishedWeights("mobilenet_v3_small", "timm:mobilenetv3_small_075.lamb_in1k",
                     f"{EPS} backbone.width=0.75", APACHE, 65.284),
    PublishedWeights("mobilenet_v4_conv_small", "timm:mobilenetv4_conv_small.e2400_r224_in1k", EPS, APACHE, None),
    PublishedWeights("mobilenet_v4_conv_medium", "timm:mobilenetv4_conv_medium.e500_r256_in1k", EPS, APACHE, 79.928,
                     256),
    PublishedWeights("mobilenet_v4_conv_large", "timm:mobilenetv4_conv_large.e500_r256_in1k", EPS, APACHE, 81.862,
                     256),
    PublishedWeights("mnasnet_a1", "timm:semnasnet_100.rmsp_in1k", EPS, APACHE, 75.450),
    PublishedWeights("mnasnet_a1", "timm:semnasnet_075.rmsp_in1k", f"{EPS} backbone.width=0.75", APACHE, 72.992),
    PublishedWeights("mnasnet_b1", "MNASNet1_0_Weights.IMAGENET1K_V1", "", UNSTATED, 73.456),
    PublishedWeights("mnasnet_b1", "timm:mnasnet_100.rmsp_in1k", "", APACHE, 74.650),
    PublishedWeights("efficientnet_lite0", "timm:efficientnet_lite0.ra_in1k", EPS, APACHE, 75.480),
    PublishedWeights("resnet50", "ResNet50_Weights.IMAGENET1K_V1", "", UNSTATED, 76.130),
    PublishedWeights("resnet50", "ResNet50_Weights.IMAGENET1K_V2", "", UNSTATED, 80.858),
    PublishedWeights("resnet101", "ResNet101_Weights.IMAGENET1K_V1", "", UNSTATED, 77.374),
    PublishedWeights("resnet101", "ResNet101_Weights.IMAGENET1K_V2", "", UNSTATED, 81.886),
    PublishedWeights("se_resnet50", "timm:seresnet50.ra2_in1k", "backbone.bias=true", APACHE, 80.260),
)
# fmt: on
