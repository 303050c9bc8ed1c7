"""Order, augmentation and batches: functions of the seed, whatever the processes, workers and restarts."""

from collections import Counter

import albumentations
import numpy as np
import pytest
import torch

from tasks.data.batches import Augmented, InMemory, Scored, collate
from tasks.data.progressive import check_progressive, shrunk
from tasks.data.samplers import EvalBatches, TrainBatches
from tasks.errors import UserError


@pytest.mark.parametrize(
    ("size", "batch", "repeat", "world"), [(10, 4, 1, 1), (3, 4, 1, 1), (10, 4, 3, 2), (1, 2, 1, 2)]
)
def test_every_image_is_drawn_and_every_batch_is_full(size, batch, repeat, world):
    ranks = [list(TrainBatches(size, batch, seed=1, repeat=repeat, rank=r, world=world)) for r in range(world)]
    assert len({len(batches) for batches in ranks}) == 1
    assert len(ranks[0]) == len(TrainBatches(size, batch, seed=1, repeat=repeat, world=world))
    draws = [draw for batches in ranks for one in batches for draw in one]
    assert all(len(one) == batch for batches in ranks for one in batches)
    counts = Counter(draw.image for draw in draws)
    assert set(counts) == set(range(size)) and min(counts.values()) >= repeat
    assert len({draw.seed for draw in draws}) == len(draws), "no two samples share their dice"


def test_processes_deal_out_one_and_the_same_order():
    whole = [draw for one in TrainBatches(16, 8, seed=3) for draw in one]
    halves = [list(TrainBatches(16, 4, seed=3, rank=rank, world=2)) for rank in range(2)]
    assert [draw for a, b in zip(*halves, strict=True) for draw in a + b] == whole


def test_epochs_differ_and_a_restart_goes_on_where_it_stopped():
    sampler = TrainBatches(20, 4, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert first != second
    resumed = TrainBatches(20, 4, seed=0, epoch=1, skip=3)
    assert len(resumed) == 5 and list(resumed) == list(resumed) == second[3:], "a loader with workers asks twice"
    resumed.set_epoch(0)
    assert list(resumed) == first, "only the first epoch is shortened"


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_sees_every_image_once_in_the_same_batches(world):
    sizes = [(4, 6)] * 5 + [(6, 4)] * 3 + [(4, 6)]
    batches = [one for rank in range(world) for one in EvalBatches(sizes, 2, rank=rank, world=world)]
    assert sorted(index for one in batches for index in one) == list(range(9))
    assert all(len({sizes[index] for index in one}) == 1 for one in batches)
    assert sorted(batches) == sorted(EvalBatches(sizes, 2))


class Squares:
    """Samples whose image says where each pixel came from, and whose mask says the same."""

    def __len__(self):
        return 4

    def name(self, index):
        return f"square{index}"

    def size(self, index):
        return 40, 56

    def read(self, index):
        y, x = np.mgrid[:40, :56].astype(np.uint8)
        inside = (x // 8 + y // 8 + index) % 2
        return {"image": np.dstack([inside * 200, inside * 200, inside * 200]), "mask": inside.astype(np.uint8)}


def transforms():
    return [
        albumentations.RandomScale(scale_limit=(-0.4, 0.8), interpolation=0, mask_interpolation=0, p=1.0),
        albumentations.PadIfNeeded(min_height=48, min_width=48, border_mode=0, fill=77, fill_mask=255),
        albumentations.RandomCrop(height=48, width=48),
        albumentations.HorizontalFlip(p=0.5),
        albumentations.RandomBrightnessContrast(p=0.5),
    ]


def test_pixels_and_labels_stay_aligned():
    data = Augmented(Squares(), transforms()[:-1])
    batch = data[next(iter(TrainBatches(4, 4, seed=0)))]
    image, mask = batch["image"], batch["mask"]
    assert image.shape == (4, 3, 48, 48) and mask.shape == (4, 48, 48)
    assert image.dtype == mask.dtype == torch.uint8
    assert image.is_contiguous(memory_format=torch.channels_last)
    known = mask != 255
    assert (~known).any() and (image[:, 0][~known] == 77).all()
    assert (image[:, 0][known] == 200 * mask[known]).all()


def test_augmentation_depends_on_the_draw_alone():
    draws = list(TrainBatches(4, 2, seed=5))
    data, again = Augmented(Squares(), transforms()), Augmented(Squares(), transforms())
    second_first = again[draws[1]]
    for one, other in ((data[draws[0]], again[draws[0]]), (data[draws[1]], second_first)):
        assert torch.equal(one["image"], other["image"]) and torch.equal(one["mask"], other["mask"])
    assert not torch.equal(data[draws[0]]["image"], second_first["image"])


def test_transforms_throw_separate_dice():
    """Seeded one by one, two transforms with p = 0.5 would always act together."""

    class Note(albumentations.ImageOnlyTransform):
        def __init__(self, value):
            super().__init__(p=0.5)
            self.value = value

        def apply(self, img, **_):
            return img + np.uint8(self.value)

    class Blank(Squares):
        def read(self, index):
            return {"image": np.zeros((4, 4, 3), np.uint8)}

    data = Augmented(Blank(), [Note(1), Note(2)])
    draws = [draw for epoch in range(20) for one in TrainBatches(4, 4, seed=0, epoch=epoch) for draw in one]
    seen = Counter(data[draws]["image"][:, 0, 0, 0].tolist())
    assert set(seen) == {0, 1, 2, 3} and min(seen.values()) > 5


def test_evaluation_changes_nothing_and_memory_is_the_same():
    samples = Squares()
    for data in (Scored(samples), Scored(InMemory(samples))):
        batch = data[[2, 0]]
        assert batch["index"] == [2, 0] and batch["name"] == ["square2", "square0"]
        for row, index in enumerate((2, 0)):
            expected = samples.read(index)
            assert (batch["image"][row].permute(1, 2, 0).numpy() == expected["image"]).all()
            assert (batch["mask"][row].numpy() == expected["mask"]).all()


def test_collate_keeps_channels_last():
    batch = collate([Squares().read(0), Squares().read(1)], ["a", "b"])
    assert batch["image"].shape == (2, 3, 40, 56) and batch["image"].stride(1) == 1


def test_images_shrink_to_the_shorter_side_with_antialiasing():
    images = torch.zeros(2, 3, 8, 16, dtype=torch.uint8)
    images[:, :, :, ::2] = 200  # stripes that a plain resize would keep or lose
    small = shrunk(images, 4)
    assert small.shape == (2, 3, 4, 8) and small.dtype == torch.uint8
    assert int(small[..., 1:-1].min()) >= 80 and int(small[..., 1:-1].max()) <= 120
    assert shrunk(images, 8) is images and shrunk(images, 20) is images


@pytest.mark.parametrize("pairs", [[[16]], [[16, 1.5]], [[0, 0.5]], [[16, 0.5], [24, 0.4]], [["x", 0.5]]])
def test_wrong_progressive_sizes_are_named(pairs):
    with pytest.raises(UserError, match=r"data\.progressive"):
        check_progressive(pairs)
