"""The feature pyramid for segmentation: shapes, a size by hand, and what it refuses."""

import pytest
import torch

from backbones.base import Feature
from backbones.mobilenet_v2 import MobileNetV2
from heads.fpn import LiteFPN

FEATURES = {"c2": Feature(24, 4), "c3": Feature(32, 8), "c4": Feature(96, 16), "c5": Feature(1280, 32)}


def test_logits_have_the_size_of_the_finest_map() -> None:
    backbone = MobileNetV2(width=0.35)
    head = LiteFPN(backbone.features, 5, hidden=16).eval()
    assert head.maps == ("c2", "c3", "c4", "c5_bottleneck")
    with torch.inference_mode():
        logits = head(backbone.eval()(torch.zeros(2, 3, 70, 101, dtype=torch.uint8)))
    assert logits.shape == (2, 5, 18, 26)


def test_parameters_by_hand() -> None:
    head = LiteFPN(FEATURES, 11, hidden=64, maps=["c2", "c3", "c4", "c5"])
    levels = 64 * (24 + 32 + 96 + 1280) + 4 * 2 * 64
    smooth = 4 * (9 * 64 + 2 * 64 + 64 * 64 + 2 * 64)
    gate, classify = 64 * 64 + 64, 64 * 11 + 11
    assert sum(parameter.numel() for parameter in head.parameters()) == levels + smooth + gate + classify


def test_a_finest_level_of_its_own_width() -> None:
    head = LiteFPN(FEATURES, 11, hidden=64, finest=8, maps=["c2", "c3", "c4", "c5"])
    levels = 8 * 24 + 64 * (32 + 96 + 1280) + 2 * (8 + 3 * 64)
    separable = (9 * 8 + 2 * 8 + 8 * 8 + 2 * 8, 9 * 64 + 2 * 64 + 64 * 8 + 2 * 8, *[9 * 64 + 4 * 64 + 64 * 64] * 2)
    gate, classify = 64 * 64 + 64, 8 * 11 + 11
    assert sum(parameter.numel() for parameter in head.parameters()) == levels + sum(separable) + gate + classify
    maps = {
        name: torch.rand(1, map_.channels, 64 // map_.reduction, 64 // map_.reduction)
        for name, map_ in FEATURES.items()
    }
    assert head.eval()(maps).shape == (1, 11, 16, 16)


def test_the_deepest_map_reaches_every_pixel() -> None:
    torch.manual_seed(0)
    head = LiteFPN(FEATURES, 2, hidden=8, maps=["c2", "c5"]).eval()
    maps = {"c2": torch.rand(1, 24, 16, 16), "c5": torch.rand(1, 1280, 2, 2, requires_grad=True)}
    head(maps)[0, 0, 0, 0].backward()  # the corner pixel's view of the opposite corner goes through the gate
    assert maps["c5"].grad is not None
    assert maps["c5"].grad[0, :, 1, 1].abs().sum() > 0


def test_deep_maps_are_cut_and_not_stretched() -> None:
    """An image whose last cell of c5 is half outside: the rest must lie as in the image that has the whole cell."""
    torch.manual_seed(0)
    head = LiteFPN(FEATURES, 2, hidden=8, maps=["c2", "c3", "c5"]).eval()
    whole = {"c2": torch.rand(1, 24, 48, 64), "c3": torch.rand(1, 32, 24, 32), "c5": torch.rand(1, 1280, 6, 8)}
    part = {"c2": whole["c2"][..., :45, :], "c3": whole["c3"][..., :23, :], "c5": whole["c5"]}  # 180 rows of 192
    with torch.inference_mode():
        assert torch.allclose(head(part)[..., :38, :], head(whole)[..., :38, :], atol=1e-5)  # but for the cut's border


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"maps": ["c5", "c2"]}, "list the finest first"),
        ({"maps": ["c5"]}, "two or more"),
        ({"maps": ["c2", "c2"]}, "two or more different"),
        ({"maps": ["c2", "c9"]}, "c9"),
        ({"hidden": 0}, "head.hidden=0"),
        ({"finest": 0}, "head.finest=0"),
        ({"dropout": 1.0}, "head.dropout=1.0"),
    ],
)
def test_what_it_refuses(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LiteFPN(FEATURES, 3, **options)  # type: ignore[arg-type]


def test_maps_that_cover_less_than_the_image_are_stretched() -> None:
    head = LiteFPN(FEATURES, 2, hidden=8, maps=["c2", "c5"]).eval()  # 100 rows in patches of 4, then of 32
    with torch.inference_mode():
        assert head({"c2": torch.rand(1, 24, 25, 25), "c5": torch.rand(1, 1280, 3, 3)}).shape == (1, 2, 25, 25)
