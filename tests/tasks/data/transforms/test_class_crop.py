"""Class-uniform crops: every class of an image is in the crop equally often, with its labels in place."""

import random

import albumentations as A
import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.loading.augmented import BOXES
from tasks.data.transforms.class_crop import ClassUniformCrop

SCALE = (0.05, 0.1)


def street():
    """(60, 80): class 0, with 4 pixels of class 3 in a corner, 6 of class 7 in the middle, and void."""
    mask = np.zeros((60, 80), np.uint8)
    mask[:2, :2], mask[30:33, 40:42], mask[50:] = 3, 7, 255
    return {"image": np.dstack([mask] * 3), "mask": mask}


def cropped(transform, sample, count, **boxes):
    chain = A.Compose([transform], **boxes)
    for seed in range(count):
        chain.set_random_state(np.random.default_rng(seed), random.Random(seed))
        yield chain(**sample)


def shares(count=400, **options):
    """How often each class is in a crop."""
    crops = [made["mask"] for made in cropped(ClassUniformCrop((32, 32), SCALE, **options), street(), count)]
    return {number: sum(bool((crop == number).any()) for crop in crops) / count for number in (3, 7)}


def test_rare_classes_are_in_a_crop_as_often_as_their_share():
    by_chance, always = shares(share=0.0), shares(share=1.0)
    assert max(by_chance.values()) < 0.2
    for number, seen in always.items():
        assert 0.25 < seen < 0.5, f"class {number}: a third of the draws, and what chance adds"
    chosen = shares(share=1.0, classes=[7])
    assert chosen[7] == 1.0 and chosen[3] < 0.1


def test_without_a_share_it_is_a_random_resized_crop():
    options = {"size": (16, 24), "scale": (0.1, 0.6), "ratio": (0.5, 2)}
    pairs = zip(
        cropped(ClassUniformCrop(**options, share=0.0), street(), 20),
        cropped(A.RandomResizedCrop(**options), street(), 20),
        strict=True,
    )
    assert all((a["image"] == b["image"]).all() and (a["mask"] == b["mask"]).all() for a, b in pairs)


def test_the_drawn_pixel_lies_anywhere_in_the_crop():
    """Crops without resizing: the middle of class 7 is at every place of the crop, not only in its middle."""
    transform = ClassUniformCrop((20, 20), (400 / 4800,) * 2, (1, 1), share=1.0, classes=[7])
    rows, columns = zip(*(np.argwhere(made["mask"] == 7)[0] for made in cropped(transform, street(), 200)), strict=True)
    assert len(set(rows)) > 15 and len(set(columns)) > 15
    assert abs(np.mean(rows) - 9.5) < 1.5 and abs(np.mean(columns) - 9.5) < 1.5


def test_pixels_labels_and_boxes_stay_together():
    sample = street() | {"bboxes": np.array([[40, 30, 42, 33, 7]], np.float32)}
    for made in cropped(ClassUniformCrop((64, 64), SCALE, interpolation=0), sample, 40, bbox_params=BOXES):
        assert (made["image"][..., 0] == made["mask"]).all()
        for left, top, right, bottom, _ in made["bboxes"].round().astype(int):
            inside = made["mask"][top + 1 : bottom - 1, left + 1 : right - 1]
            assert (inside == 7).all() or min(inside.shape) == 0


def test_where_there_are_only_boxes_their_classes_are_drawn():
    boxes = np.array([[0, 0, 8, 8, 3], [10, 0, 18, 8, 3], [70, 50, 78, 58, 4]], np.float32)
    sample = {"image": np.zeros((60, 80, 3), np.uint8), "bboxes": boxes}
    transform = ClassUniformCrop((16, 16), SCALE, share=1.0)
    seen = [set(made["bboxes"].reshape(-1, 5)[:, 4]) for made in cropped(transform, sample, 300, bbox_params=BOXES)]
    assert 0.35 < sum(4.0 in one for one in seen) / 300 < 0.65


def test_an_image_without_classes_is_cropped_anywhere():
    void = {"image": np.zeros((20, 30, 3), np.uint8), "mask": np.full((20, 30), 255, np.uint8)}
    none = {"image": void["image"], "bboxes": np.empty((0, 5), np.float32)}
    for sample, boxes in ((void, {}), (none, {"bbox_params": BOXES}), ({"image": void["image"]}, {})):
        assert next(cropped(ClassUniformCrop((8, 8), share=1.0), sample, 1, **boxes))["image"].shape == (8, 8, 3)


def test_a_class_between_the_lines_of_a_coarse_grid_is_found(monkeypatch):
    monkeypatch.setattr("tasks.data.transforms.class_crop.PATIENT", 300)  # every fourth pixel of 4,800
    assert shares(share=1.0, classes=[7])[7] > 0.3


@pytest.mark.parametrize(
    ("options", "message"),
    [({"share": 2}, "share=2"), ({"classes": []}, r"classes=\[\]"), ({"classes": [255]}, r"classes=\[255\]")],
)
def test_values_out_of_range_are_named(options, message):
    with pytest.raises(UserError, match=f"ClassUniformCrop: {message}"):
        ClassUniformCrop((8, 8), **options)
