"""Sizes of every published network with a head, and a count by hand."""

import pytest
import torch
from torch import nn

from backbones.base import Backbone, Feature, Tap
from heads.__main__ import size_of
from heads.published.detection import DETECTION, HEADS
from heads.published.segmentation import SEGMENTATION
from heads.sizes import measure


@pytest.mark.parametrize(
    "row", [*SEGMENTATION, *DETECTION, *HEADS], ids=lambda row: f"{row.name} {row.height}x{row.width}"
)
def test_published_sizes(row):
    size = size_of(row)
    assert size.params / 1e6 == pytest.approx(row.measured[0], rel=0.005)
    assert size.madds / 1e6 == pytest.approx(row.measured[1], rel=0.005)


def test_count_by_hand():
    backbone = Backbone(
        [nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4))],
        {"c1": Feature(4, 2)},
        {"c1": Tap(0)},
    )

    class Head(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 10, bias=False)

        def forward(self, maps):
            return self.fc(maps["c1"].mean((2, 3)))

    size = measure(backbone, Head(), 8, 6)
    assert size.params == (3 * 4 * 9 + 4) + 8 + 40
    assert size.params_without_norm == size.params - 8
    assert size.madds == (4 * 3) * (3 * 4 * 9) + 40
    assert torch.is_grad_enabled()
