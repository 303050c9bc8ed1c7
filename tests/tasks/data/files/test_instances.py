"""Boxes out of instanceIds files: by hand, and of the streets."""

import re

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.cityscapes_classes import CLASSES, THINGS
from tasks.data.files.instances import find_objects, pack_instances
from tasks.data.streets.dataset import Streets

LABELS = {label.name: label.label_id for label in THINGS}
LABEL_IDS = list(LABELS.values())


def ids():
    """A road with two cars, one of them seen in two parts, a group of persons, a bicycle at the corner, a trailer."""
    image = np.full((20, 30), 7, np.uint16)
    image[2:6, 3:9] = 26000
    image[10:14, 1:5], image[11:13, 8:12] = 26001, 26001
    image[15:18, 10:20] = 24
    image[19, 29] = 33004
    image[0, 0:4] = 30000
    return image


def test_things_are_those_with_instances_in_the_official_table():
    helpers = pytest.importorskip("cityscapesscripts.helpers.labels")
    official = [label.name for label in helpers.labels if label.hasInstances and not label.ignoreInEval]
    assert [label.name for label in THINGS] == official and len(THINGS) == 8 and set(THINGS) <= set(CLASSES)


def test_boxes_by_hand():
    found = find_objects(ids(), LABEL_IDS)
    assert found.size == (20, 30)
    assert found.label_ids.tolist() == [24, 26, 26, 33], "by ascending id; a trailer is not scored"
    assert found.boxes.tolist() == [[10, 15, 10, 3], [3, 2, 6, 4], [1, 10, 11, 4], [29, 19, 1, 1]]
    assert found.areas.tolist() == [30, 24, 24, 1], "pixels, not the box"
    assert found.crowd.tolist() == [True, False, False, False]
    assert len(find_objects(np.zeros((4, 5), np.uint16), LABEL_IDS).boxes) == 0


def test_files_are_packed_with_class_numbers(tmp_path):
    for number, image in enumerate((ids(), np.zeros((4, 5), np.uint16), ids()[:, ::-1])):
        Image.fromarray(np.ascontiguousarray(image)).save(tmp_path / f"{number}.png")
    packed = pack_instances(sorted(tmp_path.iterdir()), LABELS)
    first, second, third = (packed.annotations(index) for index in range(3))
    assert (first.image_id, first.height, first.width) == (1, 20, 30) and (second.height, second.width) == (4, 5)
    assert first.labels.tolist() == third.labels.tolist() == [0, 2, 2, 7] and len(second.boxes) == 0
    assert third.boxes.tolist()[0] == [10, 15, 10, 3] and third.boxes.tolist()[1] == [21, 2, 6, 4]
    assert packed.to_train(0).tolist() == [[3, 2, 9, 6, 2], [1, 10, 12, 14, 2], [29, 19, 30, 20, 7]]
    Image.new("RGB", (4, 4)).save(tmp_path / "3.png")
    with pytest.raises(UserError, match=r"3\.png has mode RGB; an instanceIds file has one 16-bit id per pixel"):
        pack_instances([tmp_path / "3.png"], LABELS)
    with pytest.raises(UserError, match=r"absent\.png: no such file"):
        pack_instances([tmp_path / "absent.png"], LABELS)


def test_cityscapes_needs_the_files(cityscapes):
    with pytest.raises(UserError, match=r"image without label: .*leftImg8bit\.png needs .*_gtFine_instanceIds\.png"):
        Cityscapes(cityscapes, targets=["boxes"]).train()
    for path in cityscapes.glob("gtFine/*/*/*_labelIds.png"):
        Image.fromarray(np.zeros((48, 60), np.uint16)).save(str(path).replace("labelIds", "instanceIds"))
    first, *_ = Cityscapes(cityscapes, targets=["boxes"]).train().check()
    assert re.search(
        r"ulm_000000_000019_leftImg8bit\.png is 64×48, but .*gtFine/train says 60×48 for image 1", str(first)
    )


def test_streets_have_any_of_their_labels(tmp_path):
    def streets(*targets):
        return Streets(tmp_path / "streets", targets=targets, train=6, val=1, height=64, width=128, seed=0)

    assert streets("boxes").classes["boxes"][0] == ["person", 24] and len(streets("boxes").classes["boxes"]) == 8
    boxes, both = streets("boxes").train(), streets("mask", "boxes").train()
    assert set(boxes.read(0)) == {"image", "bboxes"} and set(both.read(0)) == {"image", "mask", "bboxes"}
    assert set(streets("mask", "label").train().read(0)) == {"image", "mask", "label"}
    assert list(boxes.check()) == list(both.check()) == [None] * 6
    counted = 0
    for i in range(6):
        truth, sample = boxes.annotations(i), both.read(i)
        assert (truth.height, truth.width) == boxes.size(i) == (64, 128)
        assert len(sample["bboxes"]) == len(truth.boxes), "the streets have no groups"
        for (left, top, right, bottom, label), area in zip(sample["bboxes"].astype(int), truth.areas, strict=True):
            pixels = sample["mask"][top:bottom, left:right] == CLASSES.index(THINGS[label])
            assert pixels.sum() >= area > 0
            assert pixels[0].any() and pixels[-1].any() and pixels[:, 0].any() and pixels[:, -1].any(), (
                "boxes are tight"
            )
            counted += 1
    assert counted > 6
    assert boxes.read(0, lambda path: np.zeros((2, 2, 3), np.uint8))["image"].shape == (2, 2, 3)
    seen = both.read(0, lambda path: np.zeros((2, 2, 3), np.uint8))
    assert seen["image"].shape == (2, 2, 3) and seen["mask"].shape == (64, 128), "labels stay those of the file"
