"""Pasted objects and regions: pixels and labels together, hidden boxes dropped, one result for one seed."""

import albumentations as A
import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.samplers import Draw
from tasks.data.transforms.class_mix import ClassMix
from tasks.data.transforms.copy_paste import CopyPaste, ramp, visible_shares
from tests.tasks.data.transforms.test_box_transforms import COLOURS, Rectangles

DRAWS = [Draw(index, (0, 0, index)) for index in range(24)]


class OneSize(Rectangles):
    """Images of one size, (64, 64)."""

    sizes = ((64, 64),) * 3


def samples(transform, source=None, draws=DRAWS):
    data = TrainDataset(source or OneSize(count=24), [transform])
    return [data.sample(draw, [])[0] for draw in draws]


def test_pasted_objects_lie_in_their_boxes_and_more_boxes_than_before():
    """Every box, old or new, shows its class's colour in its middle, unless another one lies over it."""
    plain, made = samples(A.NoOp()), samples(CopyPaste(p=1.0, border=0.0, visible=1.0))
    assert sum(len(one["bboxes"]) for one in made) > sum(len(one["bboxes"]) for one in plain)
    for sample in made:
        assert sample["image"].dtype == np.uint8
        for left, top, right, bottom, label in sample["bboxes"]:
            assert 0 <= left < right <= 64 and 0 <= top < bottom <= 64
            colour = sample["image"][int((top + bottom) / 2), int((left + right) / 2)].astype(int)
            assert np.abs(colour - COLOURS[int(label)]).max() < 10


def test_label_maps_follow_where_there_are_both():
    for sample in samples(CopyPaste(p=1.0, border=0.0), OneSize(masks=True, count=24)):
        labels = np.argmin(
            np.abs(sample["image"][..., None, :].astype(int) - np.vstack((COLOURS, [(0, 0, 0)]))).sum(3), 2
        )
        assert (np.where(labels == 5, 9, labels) == sample["mask"]).mean() > 0.98, "but for resized edges"


def test_the_same_draw_gives_the_same_image_and_others_another():
    first, second = samples(CopyPaste(p=1.0)), samples(CopyPaste(p=1.0))
    assert all((a["image"] == b["image"]).all() for a, b in zip(first, second, strict=True))
    elsewhere = samples(CopyPaste(p=1.0), draws=[Draw(4, (0, epoch, 9)) for epoch in range(8)])
    assert len({one["image"].tobytes() for one in elsewhere}) > 4


def test_nothing_is_written_into_the_samples_themselves():
    class Kept(OneSize):
        def __init__(self):
            super().__init__(masks=True, count=4)
            self.kept = [OneSize.read(self, index) for index in range(4)]

        def read(self, index, view=None):
            return self.kept[index]

    kept = Kept()
    before = [{key: array.copy() for key, array in sample.items()} for sample in kept.kept]
    samples(CopyPaste(p=1.0), kept, [Draw(index % 4, (1, 0, index)) for index in range(12)])
    assert all((old[key] == new[key]).all() for old, new in zip(before, kept.kept, strict=True) for key in old)


def test_only_the_chosen_classes_are_pasted():
    plain, made = samples(A.NoOp()), samples(CopyPaste(p=1.0, classes=[3], visible=0.0))
    for before, after in zip(plain, made, strict=True):
        assert (after["bboxes"][: len(before["bboxes"])] == before["bboxes"]).all()
        assert set(after["bboxes"][len(before["bboxes"]) :, 4]) <= {3.0}
    assert any(len(after["bboxes"]) > len(before["bboxes"]) for before, after in zip(plain, made, strict=True))


def test_shares_that_stay_visible_by_hand():
    """A 10×10 box, of which a pasted one covers half; that one is covered by a quarter by the next, which is free."""
    boxes = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 5, 20, 15]], float)
    assert visible_shares(boxes, 1, (20, 20)).tolist() == [0.5, 0.75, 1.0]
    assert visible_shares(boxes, 3, (20, 20)).tolist() == [1.0] * 3, "boxes of one image do not hide each other"


def test_the_border_falls_outside_the_box():
    assert ramp(8, 2, 6).tolist() == [0.25, 0.75, 1, 1, 1, 1, 0.75, 0.25]
    assert ramp(3, 0, 3).tolist() == [1, 1, 1], "none at the edge of the object's own image"


def test_hidden_boxes_are_dropped_and_objects_too_large_are_not_pasted():
    class Full(OneSize):
        def read(self, index, view=None):
            box = (0, 0, 64, 64, 1) if index % 2 else (24, 24, 40, 40, 2)
            return {"image": np.full((64, 64, 3), 50 * (index % 2), np.uint8), "bboxes": np.array([box], np.float32)}

    draws = [Draw(0, (2, 0, index)) for index in range(30)]
    exact = samples(CopyPaste(scale=(1, 1), classes=[1], p=1.0), Full(), draws)
    assert {tuple(one["bboxes"][:, 4]) for one in exact} == {(1.0,), (2.0,)}, "the whole image hides the object in it"
    assert all((one["image"] == 50).all() == (one["bboxes"][0, 4] == 1) for one in exact)
    large = samples(CopyPaste(scale=(2, 2), classes=[1], p=1.0), Full(), draws)
    assert {tuple(one["bboxes"][:, 4]) for one in large} == {(2.0,)}


def test_boxes_without_an_area_are_not_pasted():
    class Flat(OneSize):
        def read(self, index, view=None):
            box = (20, 0, 20, 0, 1) if index % 2 else (24, 24, 40, 40, 2)
            return {"image": np.zeros((64, 64, 3), np.uint8), "bboxes": np.array([box], np.float32)}

    pasted = samples(
        CopyPaste(scale=(1, 1), classes=[1], p=1.0), Flat(), [Draw(0, (2, 0, index)) for index in range(9)]
    )
    assert all(len(one["bboxes"]) == 1 for one in pasted)


class Masks(OneSize):
    def read(self, index, view=None):
        sample = super().read(index)
        mask = np.full((64, 64), 255, np.uint8)
        for left, top, right, bottom, label in sample["bboxes"].astype(int):
            mask[top:bottom, left:right] = label
        return {"image": sample["image"], "mask": mask}


@pytest.mark.parametrize("scale", [(1.0, 1.0), (0.4, 0.6), (1.5, 2.0)])
def test_regions_are_pasted_with_their_labels(scale):
    made = samples(ClassMix(scale, p=1.0), Masks(count=24))
    for sample in made:
        for label in set(np.unique(sample["mask"])) - {255}:
            colours = sample["image"][sample["mask"] == label].astype(int)
            assert (np.abs(colours - COLOURS[label]).max(1) < 10).mean() > 0.6, "but for resized edges"
    plain = samples(A.NoOp(), Masks(count=24))
    differ = [(one["mask"] != other["mask"]).any() for one, other in zip(plain, made, strict=True)]
    assert sum(differ) > 8 and all(one["mask"].shape == (64, 64) for one in made)


def test_half_of_the_classes_rounded_up_and_only_those_allowed():
    mask = np.array([[0, 1, 2, 255], [3, 4, 255, 255]], np.uint8)
    mix, chosen = ClassMix(), set()
    for seed in range(50):
        mix.set_random_state(np.random.default_rng(seed), None)
        drawn = mix.chosen(mask).tolist()
        assert len(drawn) == 3 and 255 not in drawn
        chosen |= set(drawn)
    assert chosen == {0, 1, 2, 3, 4}
    rare = ClassMix(classes=[2, 9])
    rare.set_random_state(np.random.default_rng(0), None)
    assert rare.chosen(mask).tolist() == [2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CopyPaste(count=0), "CopyPaste: count=0"),
        (lambda: CopyPaste(scale=(2, 1)), r"CopyPaste: scale=\[2, 1\]"),
        (lambda: CopyPaste(visible=2), "CopyPaste: visible=2"),
        (lambda: CopyPaste(classes=[]), r"CopyPaste: classes=\[\]"),
        (lambda: ClassMix(flip=2), "ClassMix: flip=2"),
        (lambda: ClassMix(scale=(0, 1)), r"ClassMix: scale=\[0, 1\]"),
        (lambda: samples(CopyPaste(p=1.0), Masks()), "label maps alone have ClassMix"),
        (lambda: samples(ClassMix(p=1.0)), "images with boxes have CopyPaste"),
    ],
)
def test_wrong_values_and_labels_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()
