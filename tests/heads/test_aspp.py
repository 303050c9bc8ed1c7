"""DeepLabv3's head: torchvision's branches with the same weights bit for bit, rates and sizes by hand."""

import pytest
import torch
from torchvision.models.segmentation.deeplabv3 import DeepLabHead

from backbones.base import Feature
from heads.aspp import DeepLabV3
from tests.backbones.test_mobilenets import scrambled


@pytest.mark.parametrize("size", [(9, 13), (40, 5), (1, 1)])
def test_torchvisions_branches_are_equal(size):
    """torchvision's head has a 3×3 convolution more, between the merger and the classes."""
    theirs = scrambled(DeepLabHead(20, 5, atrous_rates=(6, 12, 18)))
    theirs = torch.nn.Sequential(theirs[0], theirs[4]).eval()
    ours = DeepLabV3({"c5": Feature(20, 16)}, 5).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    x = torch.randn(2, 20, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = ours({"c5": x})
        assert torch.equal(logits, theirs(x))
        assert logits.shape == (2, 5, *size) and logits[0].std() > 0


@pytest.mark.parametrize(("reduction", "rates"), [(8, [12, 24, 36]), (16, [6, 12, 18]), (32, [3, 6, 9])])
def test_windows_keep_their_size_in_the_image(reduction, rates):
    head = DeepLabV3({"c5": Feature(8, reduction)}, 3, hidden=4)
    assert [branch[0].dilation for branch in head.atrous] == [(rate, rate) for rate in rates]
    assert {tuple(branch[0].weight.shape) for branch in head.atrous} == {(4, 8, 3, 3)}
    assert head.merge[0].weight.shape == (4, 5 * 4, 1, 1)


def test_every_parameter_learns_and_dropout_drops():
    torch.manual_seed(0)
    head = DeepLabV3({"c5": Feature(8, 16)}, 3, hidden=16, dropout=0.9)
    maps = {"c5": torch.randn(2, 8, 6, 4)}
    first, second = head(maps), head(maps)
    assert not torch.equal(first, second)
    first.square().mean().backward()
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_what_does_not_fit_is_told():
    with pytest.raises(ValueError, match=r"rates=\[6, 0\] must be whole numbers"):
        DeepLabV3({"c5": Feature(8, 16)}, 3, rates=[6, 0])
    with pytest.raises(ValueError, match=r"dropout=1 does not lie"):
        DeepLabV3({"c5": Feature(8, 16)}, 3, dropout=1)
    with pytest.raises(ValueError, match="reads c5_bottleneck or c5; this backbone has c4"):
        DeepLabV3({"c4": Feature(8, 16)}, 3)
