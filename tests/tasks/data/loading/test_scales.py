"""Batches of several sizes: drawn alike in every process and after a restart, with labels where their pixels are."""

from collections import Counter

import albumentations
import numpy as np
import pytest
import torch

from tasks.common.errors import UserError
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.progressive import at_side
from tasks.data.loading.samplers import BalancedBatches, Draw, MixedBatches, TrainBatches
from tasks.data.loading.scales import at_size, drawn_size
from tasks.data.transforms.crop import RandomResizedCrop
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tests.test_config import run_of

SIZES = [(32, 48), (48, 64), (64, 96)]


def sizes_of(batches):
    assert all(len({draw.size for draw in batch}) == 1 for batch in batches), "a batch has one size"
    return [batch[0].size for batch in batches]


@pytest.mark.parametrize(
    "make",
    [
        lambda batch, **options: TrainBatches(60, batch, **options),
        lambda batch, **options: BalancedBatches(np.arange(60) % 7, batch, 0.5, **options),
        lambda batch, **options: MixedBatches((40, 20), (batch // 2, batch // 2), **options),
    ],
)
def test_sizes_are_drawn_alike_in_every_process_and_after_a_restart(make):
    whole = list(make(4, seed=3, epoch=2, image_sizes=SIZES))
    sizes = sizes_of(whole)
    assert set(sizes) == set(SIZES)
    for rank in range(2):
        assert sizes_of(list(make(2, seed=3, epoch=2, image_sizes=SIZES, rank=rank, world=2))) == sizes
    assert list(make(4, seed=3, epoch=2, image_sizes=SIZES, skip=5)) == whole[5:]
    assert sizes_of(list(make(4, seed=3, epoch=3, image_sizes=SIZES))) != sizes
    without = list(make(4, seed=3, epoch=2))
    assert without == [[draw._replace(size=None) for draw in batch] for batch in whole], "the order stays"


def test_all_sizes_are_drawn_equally_often():
    counts = Counter(drawn_size(SIZES, 0, epoch, batch) for epoch in range(30) for batch in range(100))
    assert set(counts) == set(SIZES) and all(900 < count < 1100 for count in counts.values())
    assert drawn_size([], 0, 0, 0) is None


class Halves:
    """Images (40, 60): the left half dark, of class 0, the right half bright, of class 1 and in a box."""

    def __len__(self):
        return 2

    def name(self, index):
        return f"halves{index}"

    def size(self, _index):
        return 40, 60

    def read(self, index, view=None):
        image = np.zeros((40, 60, 3), np.uint8)
        image[:, 30:] = 200
        mask = (image[..., 0] > 0).astype(np.uint8)
        return {"image": image, "mask": mask, "bboxes": np.array([[30, 0, 60, 40, 3]], np.float32)}


@pytest.mark.parametrize("size", [(20, 30), (80, 60)])
def test_boxes_and_masks_follow_to_the_drawn_size(size):
    height, width = size
    for fit in (None, Stretch([16, 16])):
        batch = TrainDataset(Halves(), [], fit=fit)[[Draw(0, (0, 0, 0), size), Draw(1, (0, 0, 1), size)]]
        assert batch["image"].shape == (2, 3, *size) and batch["mask"].shape == (2, *size)
        assert batch["boxes"][:, 0].tolist() == [[width / 2, 0, width, height, 3]] * 2
        assert (batch["mask"][:, :, : width // 2] == 0).all() and (batch["mask"][:, :, width // 2 :] == 1).all()
        assert (batch["image"][:, :, :, -1] == 200).all() and (batch["image"][:, :, :, 0] == 0).all()


def test_a_letterbox_stays_one():
    fit = at_size(Letterbox([8, 8], fill=7), (60, 60))
    assert isinstance(fit, Letterbox) and fit.fill == 7 and fit.place(40, 60) == (0, 10, 60, 40)
    assert type(at_size(Stretch([8, 8]), (60, 60))) is type(at_size(None, (60, 60))) is Stretch


def test_a_random_crop_is_made_at_the_drawn_size_from_the_files_pixels():
    """Upsampled from 4×6, the edge between the halves would be blurred over many pixels."""
    crop = albumentations.RandomResizedCrop(size=(4, 6), scale=(1, 1), ratio=(1.5, 1.5), interpolation=0)
    data = TrainDataset(Halves(), [crop])
    assert set(data[[Draw(0, (0, 0, 0), (40, 60))]]["image"].unique().tolist()) == {0, 200}
    assert data[[Draw(0, (0, 0, 0))]]["image"].shape == (1, 3, 4, 6), "and without one at its own"


def test_the_crop_of_image_labels_takes_the_drawn_size():
    class Photos(Halves):
        def read(self, index, view=None):
            return {"image": view(super().read(index)["image"]), "label": np.int64(index)}

    data = TrainDataset(Photos(), [], crop=RandomResizedCrop(16))
    assert data[[Draw(0, (0, 0, 0), (24, 24))]]["image"].shape == (1, 3, 24, 24)
    wanted = RandomResizedCrop(24)(Halves().read(0)["image"], np.random.default_rng((0, 0, 0)))
    assert (data[[Draw(0, (0, 0, 0), (24, 24))]]["image"][0].permute(1, 2, 0).numpy() == wanted).all()
    assert data[[Draw(0, (0, 0, 0), (24, 32))]]["image"].shape == (1, 3, 24, 32)


def test_progressive_shrinks_boxes_and_masks_as_well():
    batch = TrainDataset(Halves(), [])[[Draw(0, (0, 0, 0)), Draw(1, (0, 0, 1))]]
    small = at_side(batch, 20)
    assert small["image"].shape == (2, 3, 20, 30) and small["mask"].shape == (2, 20, 30)
    assert small["boxes"][:, 0].tolist() == [[15, 0, 30, 20, 3]] * 2
    assert (small["mask"][:, :, :15] == 0).all() and (small["mask"][:, :, 15:] == 1).all()
    assert torch.equal(at_side(batch, 40)["image"], batch["image"]) and batch["boxes"][0, 0, 0] == 30


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("[[64]]", r"data\.scales=\[\[64\]\] is not a list of up to 12 \[height, width\]"),
        ("[64,96]", r"data\.scales=\[64, 96\] is not a list"),
        ("[]", r"data\.scales=\[\] is not a list"),
        ("[[64,2]]", r"data\.scales=\[\[64, 2\]\] is not a list"),
    ],
)
def test_wrong_sizes_are_named(value, message):
    with pytest.raises(UserError, match=message):
        run_of(f"data.scales={value}")


def test_scales_and_progressive_exclude_each_other():
    with pytest.raises(UserError, match="both decide the size"):
        run_of("data.scales=[[64,96]]", "data.progressive=[[32,0.5]]")
