"""Sizes of every published network with a head, and a count by hand."""

import pytest
import torch
from torch import nn

from backbones.base import Backbone, Feature, Tap
from heads.__main__ import as_its_authors_count, size_of
from heads.published.detection import DETECTION, HEADS
from heads.published.segmentation import SEGMENTATION, VOC
from heads.published.tensorflow import counted_by_tensorflow
from heads.sizes import measure

ROWS = {f"{row.name} {row.height}x{row.width}": row for row in (*SEGMENTATION, *VOC, *DETECTION, *HEADS)}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_published_sizes(row):
    size = size_of(row)
    assert size.params / 1e6 == pytest.approx(row.measured[0], rel=0.005)
    assert size.madds / 1e6 == pytest.approx(row.measured[1], rel=0.005)


def test_the_authors_count_explains_their_figure():
    """0.74B in the paper, 0.68B of them in convolutions at 512×1024."""
    row = ROWS["V3-S RF2 half size LRASPP 128 512x1024"]
    assert as_its_authors_count(row) / 1e9 == pytest.approx(0.74, rel=0.01)


def test_what_the_authors_count_by_hand():
    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 2, 3, padding=6, dilation=6, bias=False)

        def forward(self, x):
            return self.conv(x)

    class Top(nn.Module):
        def forward(self, x):
            return (nn.functional.hardswish(x) * x + x).relu()[..., ::2]

    convolution = 36 * 42 * (3 * 2 * 9)  # of 33×40 cells, padded to multiples of 6
    values = 2 * 33 * 40  # of the h-swish, the product, the sum and the resized map
    assert counted_by_tensorflow(Body(), Top(), 33, 40) == convolution + 4 * values


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
