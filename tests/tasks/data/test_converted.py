"""The same annotations and scores from a data set in its own layout and from the same one in another."""

from pathlib import Path

import numpy as np
import pytest
import torch

from heads.boxes import Detections
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.coco import Coco
from tasks.data.datasets.masks import MaskFolders
from tasks.data.datasets.yolo import Yolo
from tasks.detect.metric import CocoMAP
from tasks.segment.miou import MeanIoU
from tests.tasks.data.converted import cityscapes_to_colours, coco_to_yolo

SHARED = Path(__file__).parents[4] / "shared" / "data"


def detections(samples, classes: int):
    """For each image fixed boxes that no one trained for: of half the objects, somewhat off, and some at random."""
    generator = np.random.default_rng(0)
    for index in range(len(samples)):
        truth = samples.annotations(index)
        size = np.array([truth.width, truth.height])
        some = truth.boxes[~truth.crowd][::2] * generator.normal(1, 0.05, (len(truth.boxes[~truth.crowd][::2]), 4))
        corners = np.concatenate((some[:, :2], some[:, :2] + some[:, 2:]), 1)
        corners = np.concatenate((corners, np.sort(generator.uniform(0, 1, (5, 2, 2)) * size, 1).reshape(-1, 4)))
        labels = np.concatenate((truth.labels[~truth.crowd][::2], generator.integers(0, classes, 5)))
        scores = np.round(generator.uniform(0, 1, len(labels)), 2)  # with ties
        order = np.argsort(-scores, kind="stable")
        parts = corners[order].astype(np.float32), scores[order].astype(np.float32), labels[order]
        yield Detections(*(torch.from_numpy(part)[None] for part in parts))


def scores(samples, classes, found):
    metric = CocoMAP(classes)
    for index, one in enumerate(found):
        metric.update(one, [samples.annotations(index)])
    return metric.compute()


def assert_same_boxes(ours, theirs):
    """Equal to 1e-9, without crowds, which the other formats do not have."""
    assert len(ours) == len(theirs)
    for index in range(len(ours)):
        one, other = ours.annotations(index), theirs.annotations(index)
        kept = ~one.crowd
        assert (one.height, one.width) == (other.height, other.width)
        assert one.labels[kept].tolist() == other.labels.tolist()
        assert np.allclose(one.boxes[kept], other.boxes, rtol=1e-9, atol=1e-9)
        assert np.allclose(one.areas[kept], other.areas, rtol=1e-9)


def without_crowds(samples):
    """The same samples, their crowds left out."""
    read = samples.annotations

    def annotations(index):
        truth = read(index)
        kept = ~truth.crowd
        return truth._replace(**{name: getattr(truth, name)[kept] for name in ("boxes", "labels", "areas", "crowd")})

    samples.annotations = annotations
    return samples


@pytest.mark.parametrize("real", [False, True], ids=["miniature", "real"])
def test_yolo(coco, tmp_path, real):
    root = SHARED / "coco-bccd" if real else coco
    if not root.is_dir():
        pytest.skip("needs the real annotations in shared/data")
    for split in ("train", "val"):
        annotations = root / "annotations" / f"instances_{split}2017.json"
        data = coco_to_yolo(annotations, root / f"{split}2017", tmp_path / "yolo", split)
    ours, theirs = Coco(root), Yolo(data=data)
    assert [name for name, _ in ours.classes["boxes"]] == [name for name, _ in theirs.classes["boxes"]]
    assert_same_boxes(ours.train(), theirs.train())
    one, other = ours.val(), theirs.val()
    assert_same_boxes(one, other)
    found = list(detections(one, len(ours.classes["boxes"])))
    expected = scores(without_crowds(one), ours.classes["boxes"], found)
    assert scores(other, theirs.classes["boxes"], found) == expected and 0.05 < expected["mAP"] < 0.9


@pytest.mark.parametrize("real", [False, True], ids=["miniature", "real"])
def test_colour_masks(cityscapes, tmp_path, real):
    root = SHARED / "cityscapes-camvid" if real else cityscapes
    if not root.is_dir():
        pytest.skip("needs the real frames in shared/data")
    ours, theirs = Cityscapes(root), MaskFolders(cityscapes_to_colours(root, tmp_path / "colours"), ignore=[[0, 0, 0]])
    names = [name for name, _, _ in ours.classes["mask"]]
    assert names == [name for name, _, _ in theirs.classes["mask"]]
    assert [colour for _, _, colour in ours.classes["mask"]] == [colour for _, _, colour in theirs.classes["mask"]]
    generator = np.random.default_rng(0)
    first, second, scored = ours.val(), theirs.val(), (MeanIoU(names), MeanIoU(names))
    assert len(first) == len(second) and len(theirs.train()) == min(51, len(ours.train()))
    for index in range(len(first)):
        one, other = first.read(index), second.read(index)
        assert (one["image"] == other["image"]).all() and (one["mask"] == other["mask"]).all()
        wrong = generator.integers(0, len(names), one["mask"].shape, np.uint8)
        predicted = np.where((one["mask"] == 255) | (wrong < 4), wrong, one["mask"])
        for metric, truth in zip(scored, (one, other), strict=True):
            metric.update(torch.from_numpy(predicted)[None], torch.from_numpy(truth["mask"])[None])
    assert scored[0].compute() == scored[1].compute() and 0.3 < scored[0].compute()["mIoU"] < 0.95
