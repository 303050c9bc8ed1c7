"""Where the boxes that were found lie: in the pixels of what the network saw, or of the files."""

from functools import partial

import pytest
import torch

from backbones.base import Feature
from heads import anchors
from heads.boxes import Places
from heads.select import Select
from heads.ssdlite import RawBoxes, SSDLite
from tasks.detect.multibox import SoftmaxMultiBox
from tasks.detect.task import DetectTask

FEATURES = {"c4": Feature(8, 16), "c5": Feature(8, 32)}


@pytest.fixture
def task():
    head = partial(SSDLite, extras=(), anchors=anchors.torchvision)
    return DetectTask(FEATURES, head, SoftmaxMultiBox(), Select(), "mobilevision", [("a", 1), ("b", 2)])


def outputs(task, count):
    """Random ones for `count` images of 64×64."""
    generator = torch.Generator().manual_seed(0)
    maps = {name: torch.randn(count, f.channels, 64 // f.reduction, 64 // f.reduction, generator=generator)
            for name, f in FEATURES.items()}  # fmt: skip
    with torch.no_grad():
        raw = task.head.eval()(maps)
    return RawBoxes(raw.logits * 50, raw.offsets * 20, raw.cells)


def test_boxes_are_found_in_the_files_pixels(task):
    raw = outputs(task, 2)
    seen = task.predict(raw, (64, 64))
    files = task.predict(raw, (64, 64), Places(torch.tensor([[0.0, 0, 64, 64], [0, 16, 64, 32]]),
                                               torch.tensor([[128.0, 192], [32, 64]])))  # fmt: skip
    assert (
        (seen.labels >= 0).any() and torch.equal(seen.labels, files.labels) and torch.equal(seen.scores, files.scores)
    )
    torch.testing.assert_close(files.boxes[0], seen.boxes[0] * torch.tensor([3.0, 2, 3, 2]))
    moved = (seen.boxes[1] - torch.tensor([0.0, 16, 0, 16])).clamp(min=0)
    torch.testing.assert_close(files.boxes[1], moved.minimum(torch.tensor([64.0, 32, 64, 32])))
