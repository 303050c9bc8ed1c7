"""Where the boxes that were found lie: in the pixels of what the network saw, or of the files."""

from functools import partial

import numpy as np
import pytest
import torch

from backbones.base import Feature
from heads import anchors
from heads.boxes import Places
from heads.select import Select
from heads.ssdlite import RawBoxes, SSDLite
from tasks.common.errors import UserError
from tasks.data.files.boxes import PackedBoxes
from tasks.data.loading.splits import Splits
from tasks.detect.multibox import SoftmaxMultiBox
from tasks.detect.task import DetectTask
from tasks.engine.build import build, build_data, count_parameters
from tests.test_config import run_of

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


def test_objects_that_no_anchor_fits_are_counted():
    run = run_of("recipe=none", "backbone=mobilenet_v3_small", task="detect")
    boxes = PackedBoxes(
        np.arange(2), np.array([[1200, 1600], [640, 640]]), np.array([0, 0, 1]),
        np.array([[9.0, 9, 8, 5], [9, 9, 800, 600], [9, 9, 20, 20]]), np.zeros(3, int), np.ones(3), np.zeros(3, bool),
        np.arange(3),
    )  # fmt: skip
    samples = type("Samples", (), {"boxes": boxes, "__len__": lambda _self: 2})()
    data = build_data(run.data, run.seed, Splits({}, samples, samples, frozenset(), {}))
    sides = data.object_sides()
    np.testing.assert_allclose(sides, [[8 / 5, 5 * 320 / 1200], [160, 160], [10, 10]], rtol=1e-6)
    task = build(run.learner, {"boxes": [["x", 1]]}).task("detect")
    line = task.too_small(sides, (320, 320))
    assert "of 3 at 320×320, 2 are smaller than the smallest anchor (32 pixels a side), 2 than a cell" in line
    assert "(16), the smallest 1.5 pixels; to find them: a larger image_size" in line and "\n" not in line
    assert task.too_small(sides[1:2], (320, 320)) == "" and task.too_small(sides[:0], (320, 320)) == ""


def test_a_detector_can_be_built_without_memory_to_count_its_weights():
    with torch.device("meta"):
        selected = Select(overlap=0.55)
    assert selected.limit == Select(overlap=0.55).limit
    run = run_of("backbone=mobilenet_v3_small", "backbone.width=90", "recipe=none", task="detect").learner
    with pytest.raises(UserError, match=r"^backbone\.width=90: .* parameters"):
        count_parameters(run, {"boxes": [["bolt", 1]]})
