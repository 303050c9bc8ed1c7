"""timm as an independent reference, with copied random weights; and timm's networks as backbones."""

import builtins
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from backbones.base import Backbone
from backbones.efficientnet_lite import EfficientNetLite0
from backbones.mnasnet import MNASNet
from backbones.mobilenet_v1 import MobileNetV1
from backbones.mobilenet_v3_variants import MobileNetV3
from backbones.mobilenet_v4 import MobileNetV4Conv
from backbones.published.shapes import count
from backbones.timm_features import TimmFeatures
from heads.classification import ClassificationHead

timm = pytest.importorskip("timm")

# pad_type="": the tf_ networks pad strided convolutions on one side as TensorFlow does; ours, like all others, on both
PAIRS = {
    "mobilenetv1_100": (MobileNetV1, {"norm_eps": 1e-5}, {}),
    "semnasnet_100": (MNASNet, {"variant": "a1", "norm_eps": 1e-5}, {}),
    "semnasnet_075": (MNASNet, {"variant": "a1", "width": 0.75, "norm_eps": 1e-5}, {}),
    "mnasnet_100": (MNASNet, {"variant": "b1", "norm_eps": 1e-5}, {}),
    "mobilenetv3_large_075": (MobileNetV3, {"size": "large", "width": 0.75, "norm_eps": 1e-5}, {}),
    "mobilenetv3_small_075": (MobileNetV3, {"size": "small", "width": 0.75, "norm_eps": 1e-5}, {}),
    "tf_mobilenetv3_large_minimal_100": (MobileNetV3, {"size": "large", "minimalistic": True}, {"pad_type": ""}),
    "tf_mobilenetv3_small_minimal_100": (MobileNetV3, {"size": "small", "minimalistic": True}, {"pad_type": ""}),
    "tf_mobilenetv3_large_100": (MobileNetV3, {"size": "large"}, {"pad_type": ""}),
    "mobilenetv4_conv_small": (MobileNetV4Conv, {"size": "small", "norm_eps": 1e-5}, {}),
    "mobilenetv4_conv_medium": (MobileNetV4Conv, {"size": "medium", "norm_eps": 1e-5}, {}),
    "mobilenetv4_conv_large": (MobileNetV4Conv, {"size": "large", "norm_eps": 1e-5}, {}),
    "efficientnet_lite0": (EfficientNetLite0, {"norm_eps": 1e-5}, {}),
    "tf_efficientnet_lite0": (EfficientNetLite0, {}, {"pad_type": ""}),
}


# Number of timm's stage that ends with each of our maps.
STAGES = {
    "mobilenetv4_conv_small": {"c2": 0, "c3": 1, "c4": 2, "c5": 4},
    "mobilenetv4_conv_medium": {"c2": 0, "c3": 1, "c4": 2, "c5": 4},
    "mobilenetv4_conv_large": {"c2": 0, "c3": 1, "c4": 2, "c5": 4},
    "efficientnet_lite0": {"c1": 0, "c2": 1, "c3": 2, "c4": 4, "c5_bottleneck": 6},
}


def randomised(network: nn.Module) -> nn.Module:
    """Random weights, and the statistics of one random batch, so that maps and logits are of the size of one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise / parameter[0].numel() ** 0.5 if parameter.dim() > 1 else parameter + 0.1 * noise)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        network.train()(torch.randn(2, 3, 128, 128, generator=generator))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.clamp_(
                    min=0.1
                )  # pooled noise hardly varies; dividing by that would magnify rounding
    return network.eval()


def copy_by_order(ours: nn.Module, theirs: nn.Module) -> None:
    """Both list their tensors from the image on; timm's 1×1 convolution behind the pooling is our linear layer."""
    for (name, tensor), (their_name, source) in zip(
        ours.state_dict().items(), theirs.state_dict().items(), strict=True
    ):
        assert name.rpartition(".")[2] == their_name.rpartition(".")[2]
        assert tensor.shape == source.shape or (*tensor.shape, 1, 1) == source.shape, (name, their_name)
        tensor.copy_(source.reshape(tensor.shape))


@pytest.mark.parametrize("name", PAIRS)
def test_logits_equal_timms(name):
    build, options, their_options = PAIRS[name]
    theirs = randomised(timm.create_model(name, num_classes=10, **their_options))
    backbone = build(**options)
    ours = nn.ModuleList([backbone, ClassificationHead(backbone.features, 10)]).eval()
    copy_by_order(ours, theirs)
    images = torch.randn(2, 3, 70, 102, generator=torch.Generator().manual_seed(1))
    found = {}
    for key, stage in STAGES.get(name, {}).items():
        theirs.blocks[stage].register_forward_hook(lambda _m, _i, out, key=key: found.update({key: out.clone()}))
    with torch.no_grad():
        maps = ours[0](images)
        logits, expected = ours[1](maps), theirs(images)
    assert expected.std() > 0.01, "logits that say nothing would always agree"
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)
    assert found.keys() == STAGES.get(name, {}).keys()
    for key, expected in found.items():
        torch.testing.assert_close(maps[key], expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "madds"),
    [
        ("mobilenetv4_conv_small", 186_005_568),
        ("mobilenetv4_conv_medium", 827_649_984),
        ("mobilenetv4_conv_large", 2_171_341_312),
        ("efficientnet_lite0", 385_187_552),
    ],
)
def test_sizes_equal_timms(name, madds):
    """Every parameter and multiply-add, with 1,000 classes at 224×224."""
    build, options, _ = PAIRS[name]
    with torch.device("meta"):
        theirs, backbone = timm.create_model(name), build(**options)
        both = nn.ModuleList([backbone, ClassificationHead(backbone.features, 1000)])
        images = torch.empty(0, 3, 224, 224)
        ours, _ = count(both, lambda: both[1](both[0](images)))
        expected, _ = count(theirs, lambda: theirs(images))
    assert ours == expected and ours.madds == madds


@pytest.mark.parametrize(
    ("name", "maps"),
    [
        ("mobilenetv4_conv_small_050", {"c1": 32, "c2": 16, "c3": 32, "c4": 48, "c5": 480}),
        ("convnext_atto", {"c2": 40, "c3": 80, "c4": 160, "c5": 320}),
        ("test_resnet", None),
    ],
)
def test_features_are_announced_and_kept(name, maps):
    torch.manual_seed(0)
    backbone = TimmFeatures(name=name).eval()
    assert isinstance(backbone, Backbone)
    if maps is not None:
        assert {name: feature.channels for name, feature in backbone.features.items()} == maps
    images = torch.randn(1, 3, 96, 64)
    with torch.no_grad():
        before = backbone(images)
    for key, feature in backbone.features.items():
        assert before[key].shape == (1, feature.channels, 96 // feature.reduction, 64 // feature.reduction)
    parameters = sum(parameter.numel() for parameter in backbone.parameters())
    backbone.keep(["c3"])
    with torch.no_grad():
        after = backbone(images)
    assert list(after) == ["c3"] and torch.equal(after["c3"], before["c3"])
    assert sum(parameter.numel() for parameter in backbone.parameters()) < parameters
    with pytest.raises(ValueError, match="no feature map 'c5'; this backbone has c3"):
        backbone.keep(["c5"])


@pytest.mark.parametrize(
    ("name", "output_stride", "reductions"),
    [
        ("test_resnet", 16, {"c1": 2, "c2": 4, "c3": 8, "c4": 16, "c5": 16}),
        ("mobilenetv4_conv_small_050", 8, {"c1": 2, "c2": 4, "c3": 8, "c4": 8, "c5": 8}),
        ("convnext_atto", 16, {"c2": 4, "c3": 8, "c4": 16, "c5": 16}),
    ],
)
def test_dilated_maps_keep_their_names(name, output_stride, reductions):
    """The same channels under the same names, at the resolution that is announced, also after keep."""
    torch.manual_seed(0)
    plain = TimmFeatures(name=name)
    backbone = TimmFeatures(name=name, output_stride=output_stride).eval()
    assert {key: feature.reduction for key, feature in backbone.features.items()} == reductions
    assert [feature.channels for feature in backbone.features.values()] == [
        feature.channels for feature in plain.features.values()
    ]
    images = torch.randn(1, 3, 70, 102)
    with torch.no_grad():
        before = backbone(images)
    for key, feature in backbone.features.items():  # convnext's patches of 4 round down
        assert before[key].shape[1:] in {
            (feature.channels, 70 // feature.reduction, 102 // feature.reduction),
            (feature.channels, -(-70 // feature.reduction), -(-102 // feature.reduction)),
        }
    backbone.keep(["c4"])
    with torch.no_grad():
        assert torch.equal(backbone(images)["c4"], before["c4"])
    assert {key: feature.reduction for key, feature in backbone.features.items()} == {"c4": reductions["c4"]}


@pytest.mark.parametrize("name", ["ghostnet_050", "vgg11", "hgnetv2_b0"])  # says no, asserts, does not know the word
def test_without_an_output_stride(name):
    with pytest.raises(ValueError) as raised:
        TimmFeatures(name=name, output_stride=16)
    assert str(raised.value) == f"timm's '{name}' has no output_stride=16; set backbone.output_stride=32"
    assert raised.value.__cause__ is None, "the commands print the first cause, which would be timm's words"


def test_an_output_stride_without_effect_is_refused(monkeypatch):
    real = timm.create_model

    def deaf(*arguments, output_stride=32, **keywords):
        return real(*arguments, **keywords)

    monkeypatch.setattr(timm, "create_model", deaf)
    with pytest.raises(ValueError, match="timm's 'test_resnet' has no output_stride=16; "):
        TimmFeatures(name="test_resnet", output_stride=16)


def test_other_refusals_are_not_blamed_on_the_output_stride():
    with pytest.raises(ValueError, match="timm's 'test_vit' takes images of 160×160 only"):
        TimmFeatures(name="test_vit", output_stride=16)
    with pytest.raises(ValueError, match="output_stride=12 is not one of 8, 16, 32"):
        TimmFeatures(name="test_resnet", output_stride=12)


def test_strides_stay():
    with pytest.raises(ValueError, match=r"^timm's networks keep .*skip_strides=2; set backbone.skip_strides=0$"):
        TimmFeatures(name="test_resnet", skip_strides=2)


def test_config_passes_on_what_task_and_data_want():
    config = OmegaConf.create(
        {
            "wants": {"output_stride": 16, "skip_strides": 0},
            "backbone": OmegaConf.load(Path(__file__).parents[2] / "conf/backbone/timm.yaml"),
        }
    )
    assert instantiate(config.backbone, name="test_resnet").features["c5"].reduction == 16
    config.wants.skip_strides = 2
    with pytest.raises(Exception, match="no skip_strides=2"):
        instantiate(config.backbone, name="test_resnet")


def test_norm_momentum_outlives_keep():
    backbone = TimmFeatures(name="mobilenetv4_conv_small_050", norm_momentum=0.25)
    backbone.keep(["c3"])
    norms = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and {norm.momentum for norm in norms} == {0.25}


def test_uint8_images_are_normalised_by_the_networks_own_figures():
    backbone = TimmFeatures(name="mobilenetv4_conv_small_050").eval()  # its weights want 0.5 and 0.5
    images = torch.randint(0, 256, (1, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        torch.testing.assert_close(backbone(images)["c3"], backbone(images / 127.5 - 1)["c3"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet81", r"timm has no network 'resnet81'; did you mean resnet\d+ "),
        ("hf-hub:timm/resnet18.a1_in1k", "timm has no network 'hf-hub"),
        ("resnet18.nope", "timm gives no feature maps for 'resnet18.nope': Invalid pretrained tag"),
        ("test_vit", "timm's 'test_vit' takes images of 160×160 only"),
    ],
)
def test_what_cannot_be_a_backbone_says_so(name, message):
    with pytest.raises(ValueError, match=message) as raised:
        TimmFeatures(name=name)
    assert "\n" not in str(raised.value) and raised.value.__cause__ is None


def test_a_network_without_feature_maps(monkeypatch):
    def refuse(*_arguments, **_keywords):
        raise RuntimeError("features_only not implemented for X.\nmore")

    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(ValueError, match=r"timm gives no feature maps for 'resnet18': features_only not .* X\.$"):
        TimmFeatures(name="resnet18")


def test_maps_that_differ_from_the_announcement_are_refused(monkeypatch):
    real = timm.create_model

    def channels_last(*arguments, **keywords):
        network = real(*arguments, **keywords)
        network.register_forward_hook(lambda _network, _inputs, maps: [x.movedim(1, -1) for x in maps])
        return network

    monkeypatch.setattr(timm, "create_model", channels_last)
    with pytest.raises(ValueError, match=r"gives c1 of shape \(1, 32, 32, 64\) where it announces \(1, 64, 32, 32\)"):
        TimmFeatures(name="resnet18")


def test_without_timm_the_install_line_is_told(monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name == "timm":
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ValueError, match=r'needs: pip install "mobilevision\[timm\]"') as raised:
        TimmFeatures(name="resnet18")
    assert raised.value.__cause__ is None
