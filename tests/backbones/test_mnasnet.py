"""MnasNet-B1 against torchvision's, bit for bit; A1 against its paper's figure 7 (and timm's in test_timm)."""

import pytest
import torch
from torch import nn
from torchvision.models import MNASNet as TorchvisionMNASNet

from backbones.blocks import SqueezeExcite
from backbones.mnasnet import MNASNet
from heads.classification import ClassificationHead


def randomised(network: nn.Module) -> nn.Module:
    """Random weights and statistics."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(noise.abs() + 0.5 if "running_var" in name else noise * 0.1 + tensor)
    return network.eval()


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 1.3])
def test_b1_logits_equal_torchvisions(width):
    theirs = randomised(TorchvisionMNASNet(width, num_classes=10))
    backbone = MNASNet(variant="b1", width=width, norm_eps=1e-5)
    ours = nn.ModuleList([backbone, ClassificationHead(backbone.features, 10)]).eval()
    state = dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True))
    ours.load_state_dict(state)
    images = torch.randn(2, 3, 70, 102, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(ours[1](ours[0](images)), theirs(images))


def test_a1_is_figure_7():
    network = MNASNet(variant="a1")
    blocks = network.blocks[1:-1]
    kernels = [block.depthwise[0].kernel_size[0] for block in blocks]
    channels = [block.project[0].out_channels for block in blocks]
    assert kernels == [3] + [3] * 2 + [5] * 3 + [3] * 4 + [3] * 2 + [5] * 3 + [3]
    assert channels == [16] + [24] * 2 + [40] * 3 + [80] * 4 + [112] * 2 + [160] * 3 + [320]
    excited = {
        number: block.excite.reduce.out_channels
        for number, block in enumerate(blocks)
        if isinstance(block.excite, SqueezeExcite)
    }
    assert excited == {3: 6, 4: 10, 5: 10, 10: 20, 11: 28, 12: 28, 13: 40, 14: 40}, "a quarter of the block's input"
    assert all(isinstance(blocks[number].excite.gate, nn.Sigmoid) for number in excited)


def test_the_bottleneck_is_announced():
    features = MNASNet(variant="a1").features
    assert features["c5_bottleneck"].channels == 320 and features["c5"].channels == 1280


def test_wrong_variant_is_named():
    with pytest.raises(ValueError, match="variant='a2' is not one of a1, b1"):
        MNASNet(variant="a2")
