"""The same boxes and scores from VOC's XML as from COCO's JSON."""

from pathlib import Path

import numpy as np
import pytest

from tasks.data.datasets.coco import Coco
from tasks.data.datasets.voc import Voc
from tasks.detect.arrange import Found, Truths
from tasks.detect.coco_map import evaluate
from tests.tasks.data.converted_voc import coco_to_voc_flat

SHARED = Path(__file__).parents[5] / "shared" / "data" / "coco-bccd"


def pair_of(root: Path, split: str, out: Path):
    """A split read by both, from all images of the converted one."""
    names = coco_to_voc_flat(root / "annotations" / f"instances_{split}.json", root / split, out)
    voc = Voc(out, classes=names, val={"share": 0.5})
    return getattr(Coco(root), "train" if split == "train2017" else "val")(), voc.files("train")


def scores(samples) -> dict[str, float | None]:
    """COCO's numbers of fixed predictions: the boxes of the first reader, moved and partly of another class."""
    random = np.random.default_rng(0)
    every = [samples.annotations(index) for index in range(len(samples))]
    owners = np.repeat(np.arange(len(every)), [len(each.labels) for each in every])
    boxes, labels, areas, crowd = (
        np.concatenate([getattr(each, name) for each in every]) for name in ("boxes", "labels", "areas", "crowd")
    )
    near = boxes + random.normal(0, 2, boxes.shape)
    kinds = np.where(random.random(len(labels)) < 0.2, (labels + 1) % 3, labels)
    found = Found(owners, kinds, near, random.random(len(labels)).round(2))
    return evaluate(Truths(owners, labels, boxes, areas, crowd), found, np.arange(len(every)), np.arange(3)).numbers


def assert_same(theirs, ours) -> None:
    assert len(theirs) == len(ours) > 0
    for index in range(len(theirs)):
        expected, found = theirs.annotations(index), ours.annotations(index)
        assert theirs.files[index] == ours.files[index] and theirs.size(index) == ours.size(index)
        for name in ("boxes", "labels", "areas", "crowd"):
            assert getattr(expected, name).tolist() == getattr(found, name).tolist(), (index, name)
        assert theirs.boxes.to_train(index).tolist() == ours.boxes.to_train(index).tolist()
    numbers = scores(theirs)
    assert scores(ours) == numbers and 0.05 < (numbers["mAP"] or 0) < 0.95


@pytest.mark.parametrize("split", ["train2017", "val2017"])
def test_both_readers_agree(coco, tmp_path, split):
    assert_same(*pair_of(coco, split, tmp_path / "voc"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="no shared data")
def test_both_readers_agree_on_cells(tmp_path):
    assert_same(*pair_of(SHARED, "val2017", tmp_path / "voc"))
