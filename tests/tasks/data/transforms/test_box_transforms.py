"""Augmentation with boxes: they lie where their pixels are, whatever is done to the image."""

import random

import albumentations as A
import numpy as np
import pytest
import torch

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.batches import InMemory
from tasks.data.loading.samplers import Draw, TrainBatches
from tasks.data.transforms.box_transforms import RandomIoUCrop, RandomZoomOut, overlap
from tasks.data.transforms.letterbox import Letterbox, Stretch

# Told apart by which channels are bright, so that a blurred edge belongs to no other class.
COLOURS = np.array([(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0), (0, 250, 250)], np.uint8)


class Rectangles:
    """Images with none to four rectangles that do not touch, each of another class, whose number tells the colour."""

    sizes = ((90, 120), (120, 90), (64, 64))

    def __init__(self, masks=False, count=8):
        self.masks, self.count = masks, count

    def __len__(self):
        return self.count

    def name(self, index):
        return f"image{index}"

    def size(self, index):
        return self.sizes[index % 3]

    def read(self, index, view=None):
        generator = np.random.default_rng(index)
        height, width = self.size(index)
        image, mask = np.zeros((height, width, 3), np.uint8), np.full((height, width), 9, np.uint8)
        boxes = []
        corners = [(2, 2), (width // 2 + 2, 2), (2, height // 2 + 2), (width // 2 + 2, height // 2 + 2)]
        labels = generator.permutation(5)
        for (x, y), label in list(zip(corners, labels, strict=False))[: index % 5]:
            w, h = int(generator.integers(15, width // 2 - 4)), int(generator.integers(15, height // 2 - 4))
            image[y : y + h, x : x + w] = COLOURS[label]
            mask[y : y + h, x : x + w] = label
            boxes.append((x, y, x + w, y + h, label))
        sample = {"image": image, "bboxes": np.array(boxes, np.float32).reshape(-1, 5)}
        return sample | {"mask": mask} if self.masks else sample

    def annotations(self, index):
        boxes = self.read(index)["bboxes"].astype(np.float64)
        xywh = np.concatenate((boxes[:, :2], boxes[:, 2:4] - boxes[:, :2]), 1)
        none = np.zeros(len(boxes), bool)
        return Annotations(index, *self.size(index), xywh, boxes[:, 4].astype(np.int64), xywh[:, 2:].prod(1), none)


def batches(transforms, fit, count=40, size=2, samples=None):
    data = TrainDataset(samples or Rectangles(), transforms, fit=fit)
    draws = [draws for epoch in range(20) for draws in TrainBatches(8, size, seed=1, epoch=epoch)]
    return [data[draw] for draw in draws[:count]]


def of_class(image, label):
    """(H, W) which pixels of (3, H, W) are of a class."""
    return ((image.numpy() > 125) == (COLOURS[label] > 125)[:, None, None]).all(0)


def misplaced(batch, row, tolerance):
    """Boxes of an image that are not where their colour is, and colours that no box has."""
    boxes, wrong = batch["boxes"][row].numpy(), []
    for label in range(5):
        y, x = np.nonzero(of_class(batch["image"][row], label))
        mine = boxes[boxes[:, 4] == label, :4]
        if len(mine) > 1 or (len(mine) == 1 and len(x) == 0):
            wrong.append((label, mine))
        elif len(mine) == 1:
            seen = (x.min(), y.min(), x.max() + 1, y.max() + 1)
            if np.abs(mine[0] - seen).max() > tolerance:
                wrong.append((label, mine[0], seen))
    return wrong


SAME = Stretch([120, 120])
WAYS = {
    "crop": ([RandomIoUCrop()], 0, Stretch([128, 128])),
    "zoom out": ([RandomZoomOut((1.0, 2.0), fill=0, p=1.0)], 0, Stretch([200, 200])),
    "zoom out and crop": ([RandomZoomOut((1.0, 2.0), fill=0), RandomIoUCrop()], 0, Letterbox([160, 160], fill=0)),
    "flip": ([A.HorizontalFlip(p=0.5), A.VerticalFlip(p=0.5)], 0, Letterbox([96, 128], fill=0)),
    "scale": ([A.RandomScale((-0.3, 0.5), p=1.0)], 0, Stretch([150, 100])),
    "resized crop": ([A.RandomResizedCrop((100, 100), scale=(0.5, 1.0))], 0, Stretch([100, 100])),
    "pad and crop": ([A.PadIfNeeded(130, 130, border_mode=0, fill=0), A.RandomCrop(70, 70)], 0, Stretch([70, 70])),
}


@pytest.mark.parametrize(("transforms", "_", "fit"), WAYS.values(), ids=WAYS)
def test_boxes_lie_where_their_pixels_are(transforms, _, fit):
    seen = 0
    for batch in batches(transforms, fit):
        for row in range(2):
            seen += int((batch["boxes"][row, :, 4] >= 0).sum())
            assert misplaced(batch, row, tolerance=1.5) == []
    assert seen > 60, "boxes are there at all"


def test_whole_pixels_are_exact():
    """Where nothing is resized there is no tolerance."""
    seen = 0
    for batch in batches([RandomIoUCrop(), RandomZoomOut((1.0, 3.0), fill=0, p=1.0)], None, size=1):
        seen += int((batch["boxes"][0, :, 4] >= 0).sum())
        assert misplaced(batch, 0, tolerance=1e-3) == []
    assert seen > 40


def test_every_visible_object_keeps_its_box_when_nothing_is_cut_off():
    transforms = [RandomZoomOut((1.0, 4.0), p=1.0), A.HorizontalFlip(p=0.5), A.RandomBrightnessContrast(p=1.0)]
    data = TrainDataset(Rectangles(), transforms, fit=SAME)
    for draws in TrainBatches(8, 4, seed=0):
        batch = data[draws]
        for row, draw in enumerate(draws):
            labels = batch["boxes"][row, :, 4]
            assert sorted(labels[labels >= 0].tolist()) == sorted(Rectangles().read(draw.image)["bboxes"][:, 4])


def test_masks_move_along():
    for batch in batches([RandomZoomOut((1.0, 2.0), fill=0), RandomIoUCrop()], None, size=1, samples=Rectangles(True)):
        image, mask = batch["image"][0], batch["mask"][0].numpy()
        assert image.shape[1:] == mask.shape
        for label in range(5):
            assert (of_class(image, label) == (mask == label)).all()
        assert set(np.unique(mask)) <= {0, 1, 2, 3, 4, 9, 255}


@pytest.mark.parametrize("demand", [0.1, 0.4, 0.7])
def test_a_patch_has_what_was_demanded(demand):
    crop, boxes = RandomIoUCrop(overlaps=[demand]), np.array([[10.0, 5, 90, 75, 0], [5, 65, 110, 85, 1]])
    cut = 0
    for seed in range(60):
        crop.set_random_state(np.random.default_rng(seed), random.Random(seed))
        data = {"bboxes": boxes / (120, 90, 120, 90, 1)}
        params = crop.get_params_dependent_on_data({"shape": (90, 120, 3)}, data)
        left, top, right, bottom = patch = params["patch"]
        if patch.tolist() == [0, 0, 120, 90]:
            continue
        cut += 1
        middles = (boxes[:, :2] + boxes[:, 2:4]) / 2
        assert [left < x < right and top < y < bottom for x, y in middles] == params["kept"].tolist()
        assert overlap(patch[None], boxes[params["kept"], :4]).max() >= demand
        assert 0.45 <= ((right - left) / 120) / ((bottom - top) / 90) <= 2.2, "the sides are whole pixels"
        assert 0 <= left < right <= 120 and 0 <= top < bottom <= 90
        cut_boxes = crop.apply_to_bboxes(data["bboxes"], patch, params["kept"], shape=(90, 120, 3))[:, :4]
        assert cut_boxes.min() >= 0 and cut_boxes.max() <= 1, "clipped to the patch"
    assert cut > 10


def test_overlap_by_hand():
    patches, boxes = np.array([[0, 0, 10, 10]]), np.array([[5.0, 5, 15, 15], [0, 0, 10, 10], [20, 20, 30, 30]])
    assert np.allclose(overlap(patches, boxes), [[25 / 175, 1, 0]])


def test_images_without_boxes_are_cropped_as_well():
    data = TrainDataset(Rectangles(), [RandomIoUCrop()])
    draws = [Draw(0, (0, 0, number)) for number in range(40)]
    found = [data[[draw]] for draw in draws]
    assert len({tuple(batch["image"].shape[2:]) for batch in found}) > 20
    assert all(batch["boxes"].tolist() == [[[0, 0, 0, 0, -1]]] for batch in found)


def test_all_boxes_may_vanish():
    """albumentations then gives boxes without the fifth column."""
    corner = A.Crop(x_min=0, y_min=0, x_max=3, y_max=3)
    for transforms in ([corner], [corner, A.HorizontalFlip(p=1.0), RandomIoUCrop(), RandomZoomOut(p=1.0)]):
        batch = TrainDataset(Rectangles(), transforms, fit=SAME)[next(iter(TrainBatches(8, 8, seed=0)))]
        assert batch["boxes"].tolist() == [[[0, 0, 0, 0, -1]]] * 8


@pytest.mark.parametrize("cached", [False, True])
def test_a_mosaic_takes_other_samples(cached):
    mosaic = A.Mosaic(target_size=(90, 120), cell_shape=(90, 120), center_range=(0.4, 0.6), p=1.0)
    samples = InMemory(Rectangles()) if cached else Rectangles()
    found = batches([mosaic], None, samples=samples)
    again = batches([mosaic], None, samples=samples)
    labels = [len(np.unique(batch["boxes"][..., 4])) for batch in found]
    assert all(set(batch) == {"image", "name", "broken", "boxes"} for batch in found)
    assert max(labels) > 3 and all(torch.equal(a["boxes"], b["boxes"]) for a, b in zip(found, again, strict=True))
    for batch in found:
        for row in range(2):
            for box in batch["boxes"][row]:
                left, top, right, bottom = (round(float(edge)) for edge in box[:4])
                inside = of_class(batch["image"][row], int(box[4]))[top + 1 : bottom, left + 1 : right]
                assert box[4] < 0 or inside[:-1, :-1].all()


def test_a_mosaic_reads_only_when_it_is_made():
    class Counting(Rectangles):
        reads = 0

        def read(self, index, view=None):
            Counting.reads += 1
            return super().read(index)

    mosaic = A.Mosaic(target_size=(90, 120), cell_shape=(90, 120), p=1e-9)
    batches([mosaic], SAME, count=10, size=1, samples=Counting())
    assert Counting.reads == 10


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomIoUCrop(scale=(0.5, 1.2)), r"RandomIoUCrop: scale=\[0\.5, 1\.2\]"),
        (lambda: RandomIoUCrop(ratio=(2, 3)), r"RandomIoUCrop: ratio=\[2, 3\]"),
        (lambda: RandomIoUCrop(overlaps=[1.5]), r"RandomIoUCrop: overlaps=\[1\.5\]"),
        (lambda: RandomZoomOut(scale=(0.5, 2)), r"RandomZoomOut: scale=\[0\.5, 2\]"),
        (lambda: RandomZoomOut(fill=256), r"RandomZoomOut: fill=256 must be between 0 and 255"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()
