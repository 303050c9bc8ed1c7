"""Lite R-ASPP: torchvision's variant bit for bit, the paper's by hand."""

import pytest
import torch
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from backbones.base import Feature
from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from heads.lraspp import LRASPP, RASPP, LargePool
from tests.backbones.test_mobilenets import scrambled


@pytest.mark.parametrize("size", [(64, 96), (65, 83), (33, 161)])
def test_torchvisions_whole_lraspp_is_equal(size):
    network = scrambled(lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=19))
    backbone = MobileNetV3(size="large", output_stride=16, dilation_rule="torchvision", width_rule="torchvision")
    head = LRASPP(
        backbone.features, 19, low="c3_first", high="c5", pool_kernel=None, pool_stride=(1, 1), gate_bias=False
    )
    both = torch.nn.ModuleList([backbone, head]).eval()
    state = dict(zip(both.state_dict(), network.state_dict().values(), strict=True))
    both.load_state_dict(state)
    images = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = head(backbone(images))
        ours = torch.nn.functional.interpolate(logits, size, mode="bilinear", align_corners=False)
        assert torch.equal(ours, network(images)["out"])


def test_paper_reads_the_depthwise_output_and_the_bottleneck():
    v3, v2 = MobileNetV3(size="large", output_stride=16, tail="segmentation"), MobileNetV2(output_stride=16)
    assert LRASPP(v3.features, 19).maps == ("c3_depthwise", "c5")
    assert LRASPP(v2.features, 19).maps == ("c3_depthwise", "c5_bottleneck")
    assert v3.features["c3_depthwise"] == Feature(120, 8) and v3.features["c5"][:2] == (480, 16)
    assert v2.features["c3_depthwise"] == Feature(192, 8) and v2.features["c5_bottleneck"] == Feature(320, 16)


def test_large_pool_by_hand():
    x = torch.arange(65 * 129, dtype=torch.float32).view(1, 1, 65, 129)
    pooled = LargePool(49, (16, 20), reduction=16)(x)
    assert pooled.shape == (1, 1, 2, 5)  # (65 - 49) // 16 + 1, (129 - 49) // 20 + 1
    assert pooled[0, 0, 0, 0] == x[0, 0, :49, :49].mean()
    assert pooled[0, 0, 1, 4] == pytest.approx(x[0, 0, 16:65, 80:129].mean().item())
    assert LargePool(49, (16, 20), reduction=32).kernel == 24  # the same window in the image
    small = torch.randn(1, 3, 20, 60)
    assert LargePool(49, (16, 20), reduction=16)(small).shape == (1, 3, 1, 1)
    torch.testing.assert_close(LargePool(None, (1, 1), 16)(small), small.mean((2, 3), keepdim=True))


@pytest.mark.parametrize("build", [LRASPP, RASPP])
@pytest.mark.parametrize("size", [(48, 64), (100, 37)])
def test_batch_of_two_is_two_batches_of_one(build, size):
    torch.manual_seed(0)
    backbone = MobileNetV3(size="small", output_stride=16, tail="segmentation").eval()
    head = build(backbone.features, 7).eval()
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        together = head(backbone(images))
        apart = torch.cat([head(backbone(image[None])) for image in images])
    assert together.shape[:2] == (2, 7)
    torch.testing.assert_close(together, apart, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("build", [LRASPP, RASPP])
def test_every_parameter_learns(build):
    backbone = MobileNetV2(width=0.35, output_stride=16)
    head = build(backbone.features, 5)
    backbone.keep(head.maps)
    head(backbone(torch.randn(2, 3, 64, 64))).square().mean().backward()
    parameters = [*backbone.parameters(), *head.parameters()]
    assert all(parameter.grad is not None for parameter in parameters)


def test_detail_is_added_at_its_own_size():
    torch.manual_seed(0)
    backbone = MobileNetV3(size="small", output_stride=16, tail="segmentation").eval()
    head = LRASPP(backbone.features, 7, detail="c2_expanded").eval()
    assert head.maps == ("c3_depthwise", "c5", "c2_expanded")
    with torch.no_grad():
        maps = backbone(torch.randn(2, 3, 64, 96))
        logits = head(maps)
        assert logits.shape == (2, 7, 16, 24)
        head.detail = None
        without = torch.nn.functional.interpolate(head(maps), (16, 24), mode="bilinear", align_corners=False)
        torch.testing.assert_close(logits, without + head.classify_detail(maps["c2_expanded"]))


def test_a_map_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="the head reads c7 or c8; this backbone has c1, "):
        LRASPP(MobileNetV2().features, 19, high=["c7", "c8"])
