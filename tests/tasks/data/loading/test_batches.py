"""Order, augmentation and batches: functions of the seed, whatever the processes, workers and restarts."""

import tracemalloc
from collections import Counter
from types import SimpleNamespace

import albumentations
import lightning
import numpy as np
import pytest
import torch

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.batches import EvalDataset, InMemory, collate
from tasks.data.loading.cache import Cache
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.drawing import DrawSettings
from tasks.data.loading.progressive import check_progressive, resized_elsewhere, resized_on_cpu, shrunk
from tasks.data.loading.samplers import BalancedBatches, Draw, EvalBatches, MixedBatches, TrainBatches
from tasks.data.transforms.box_transforms import RandomIoUCrop, RandomZoomOut
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import ResizeCentreCrop
from tasks.search.proxy import Proxy


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


def test_each_draw_has_a_seed_of_its_own():
    batches = list(TrainBatches(3, 2, seed=7, epoch=5))
    assert [draw.seed for batch in batches for draw in batch] == [(7, 5, position) for position in range(4)]
    mixed = list(MixedBatches((2, 1), (1, 1), seed=7, epoch=5))  # the last number is the data set's
    assert [draw.seed for draw in mixed[1]] == [(7, 5, 1, 0), (7, 5, 1, 1)]


@pytest.mark.parametrize("world", [1, 2, 3])
def test_evaluation_sees_every_image_once_in_the_same_batches(world):
    sizes = [(4, 6)] * 5 + [(6, 4)] * 3 + [(4, 6)]
    batches = [one for rank in range(world) for one in EvalBatches(sizes, 2, rank=rank, world=world)]
    assert sorted(index for one in batches for index in one) == list(range(9))
    assert all(len({sizes[index] for index in one}) == 1 for one in batches)
    assert sorted(batches) == sorted(EvalBatches(sizes, 2))
    assert list(EvalBatches([1, 1], 2, rank=1, world=3)) == [[]], "without an image, but not without a batch"


class Squares:
    """Samples whose image says where each pixel came from, and whose mask says the same."""

    def __len__(self):
        return 4

    def name(self, index):
        return f"square{index}"

    def size(self, index):
        return 40, 56

    def read(self, index, view=None):
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
    data = TrainDataset(Squares(), transforms()[:-1])
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
    data, again = TrainDataset(Squares(), transforms()), TrainDataset(Squares(), transforms())
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

    data = TrainDataset(Blank(), [Note(1), Note(2)])
    draws = [draw for epoch in range(20) for one in TrainBatches(4, 4, seed=0, epoch=epoch) for draw in one]
    seen = Counter(data[draws]["image"][:, 0, 0, 0].tolist())
    assert set(seen) == {0, 1, 2, 3} and min(seen.values()) > 5


def test_evaluation_changes_nothing_and_memory_is_the_same():
    samples = Squares()
    for data in (EvalDataset(samples), EvalDataset(InMemory(samples))):
        batch = data[[2, 0]]
        assert batch["index"] == [2, 0] and batch["name"] == ["square2", "square0"]
        for row, index in enumerate((2, 0)):
            expected = samples.read(index)
            assert (batch["image"][row].permute(1, 2, 0).numpy() == expected["image"]).all()
            assert (batch["mask"][row].numpy() == expected["mask"]).all()


def test_collate_keeps_channels_last():
    batch = collate([Squares().read(0), Squares().read(1)], ["a", "b"])
    assert batch["image"].shape == (2, 3, 40, 56) and batch["image"].stride(1) == 1


class Views(Squares):
    """Squares whose odd ones are larger, read through a view, as LabelledImages reads them."""

    def size(self, index):
        return (40, 56) if index % 2 == 0 else (80, 112)

    def read(self, index, view=None):
        scale = 1 + index % 2
        sample = {key: np.repeat(np.repeat(a, scale, 0), scale, 1) for key, a in super().read(index).items()}
        return sample if view is None else sample | {"image": view(sample["image"])}


def test_masks_follow_a_fit_in_training():
    batch = TrainDataset(Views(), [], fit=Stretch([40, 56]))[[Draw(index, (0, 0, index)) for index in range(4)]]
    assert batch["image"].shape == (4, 3, 40, 56) and batch["mask"].shape == (4, 40, 56)
    assert ((batch["image"][:, 0] > 100) == batch["mask"].bool()).all()


@pytest.mark.parametrize("cache", [False, True])
def test_masks_are_scored_as_their_files_have_them(cache):
    data = module(train=Views(), val=Views(), augment={}, fit=Stretch([20, 28]), cache=Cache(cache))
    data.setup("validate")
    assert data.input_size() == (20, 28)
    data.trainer = SimpleNamespace(global_rank=0, world_size=1)
    batches = list(data.val_dataloader())
    assert [batch["index"] for batch in batches] == [[0, 2], [1, 3]], "masks of one size make a batch"
    for batch, size in zip(batches, ((40, 56), (80, 112)), strict=True):
        assert batch["image"].shape == (2, 3, 20, 28) and batch["mask"].shape == (2, *size)
        places, sizes = batch["places"]
        assert places.tolist() == [[0, 0, 28, 20]] * 2 and sizes.tolist() == [list(size)] * 2
        for row, index in enumerate(batch["index"]):
            assert (batch["mask"][row].numpy() == Views().read(index)["mask"]).all()
    assert "places" not in EvalDataset(Views())[[0, 2]], "images as they are need none"


@pytest.mark.parametrize("fit", [Letterbox([20, 28]), ResizeCentreCrop([20, 28], None), ResizeCentreCrop(16, 16)])
def test_masks_are_scored_under_whole_images_alone(fit):
    with pytest.raises(UserError, match=r"data\.fit=\w+ cuts or frames .*tasks\.data\.transforms\.letterbox\.Stretch"):
        module(train=Views(), val=Views(), augment={}, fit=fit).input_size()


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


class Boxed:
    """Samples of two sizes with 0 to 3 boxes."""

    def __len__(self):
        return 6

    def name(self, index):
        return f"boxed{index}"

    def size(self, index):
        return (20, 30) if index % 2 else (30, 20)

    def read(self, index, view=None):
        image = np.full((*self.size(index), 3), 40 * index, np.uint8)
        boxes = [(2 + row, 3, 12 + row, 13, row + 4) for row in range(index % 4)]
        return {
            "image": image if view is None else view(image),
            "bboxes": np.array(boxes, np.float32).reshape(-1, 5),
        }

    def annotations(self, index):
        xywh = np.array([(0.125, 3, 10, 10)] * (index % 4), np.float64).reshape(-1, 4)
        count = np.arange(index % 4)
        return Annotations(index + 100, *self.size(index), xywh, count, count * 1.0, count > 0)


def test_training_boxes_are_fitted_and_filled_up():
    data = TrainDataset(Boxed(), [], fit=Stretch([40, 60]))
    batch = data[[Draw(index, (0, 0, index)) for index in (1, 4, 3)]]
    assert batch["image"].shape == (3, 3, 40, 60) and batch["boxes"].shape == (3, 3, 5)
    assert batch["boxes"].dtype == torch.float32 and "bboxes" not in batch
    assert batch["boxes"][0].tolist() == [[4, 6, 24, 26, 4], [0, 0, 0, 0, -1], [0, 0, 0, 0, -1]]
    assert batch["boxes"][1, :, 4].tolist() == [-1, -1, -1]
    assert batch["boxes"][2, :, 4].tolist() == [4, 5, 6]


def test_what_a_file_may_hold_is_not_lost_on_the_way():
    """A box of one pixel is as small as tasks/data/files/boxes.py lets through; so do the transforms,
    wherever it lies.
    """

    class Small(Boxed):
        def read(self, index, view=None):
            corners = np.arange(19, dtype=np.float32)[:, None] + np.array([0, 0, 1, 1], np.float32)
            return super().read(index) | {"bboxes": np.hstack((corners, np.full((19, 1), 2, np.float32)))}

    for augment in ([], [albumentations.HorizontalFlip(p=1.0)]):
        boxes = TrainDataset(Small(), augment)[[Draw(1, (0, 0, 0))]]["boxes"]
        assert boxes.shape == (1, 19, 5) and (boxes[..., 4] == 2).all()
    half = TrainDataset(Small(), [albumentations.Crop(0, 0, 18, 5)])[[Draw(1, (0, 0, 0))]]["boxes"]
    assert half.shape == (1, 5, 5), "what lies outside goes"


@pytest.mark.parametrize("make", [lambda: Boxed(), lambda: InMemory(Boxed())])
def test_scored_boxes_come_as_they_are_with_their_places(make):
    samples = make()
    for _ in range(2):  # reading changes nothing
        batch = EvalDataset(samples, Letterbox([40, 40]))[[1, 2, 4]]
        assert batch["image"].shape == (3, 3, 40, 40) and batch["index"] == [1, 2, 4] and "boxes" not in batch
        assert [truth.image_id for truth in batch["annotations"]] == [101, 102, 104]
        assert batch["annotations"][0].boxes.tolist() == [[0.125, 3, 10, 10]]
        places, sizes = batch["places"]
        assert places.tolist() == [[0, 6, 40, 27], [6, 0, 27, 40], [6, 0, 27, 40]] and places.dtype == torch.float32
        assert sizes.tolist() == [[20, 30], [30, 20], [30, 20]] and sizes.dtype == torch.float32
    alone = EvalDataset(samples)[[1, 3]]
    assert alone["places"][0].tolist() == [[0, 0, 30, 20]] * 2, "an image that is not fitted lies everywhere"
    assert samples.read(3)["bboxes"].shape == (3, 5)


def module(workers=0, train=None, val=None, **changes):
    options = {
        "augment": {
            "zoom": RandomZoomOut(p=0.5),
            "crop": RandomIoUCrop(),
            "flip": albumentations.HorizontalFlip(p=0.5),
        },
        "crop": None,
        "fit": Letterbox([32, 32]),
        "progressive": None,
        "max_broken": 0,
        "batch_size": 2,
        "eval_batch_size": 4,
        "repeat": 1,
        "workers": workers,
        "seed": 0,
    }
    return DataModule(train or Boxed(), val or Boxed(), **(options | changes))


def test_a_bug_in_reading_keeps_its_traceback():
    class Wrong(Boxed):
        def read(self, index, view=None):
            return {}["gone"]

    with pytest.raises(KeyError, match="gone"):
        module(train=Wrong(), augment={}).try_augmentation()


def test_labels_that_no_transform_would_move_along_are_refused():
    class Deep(Boxed):
        def read(self, index, view=None):
            return {"image": np.zeros((8, 8, 3), np.uint8), "depth": np.zeros((8, 8), np.float32)}

    with pytest.raises(UserError, match="labels of kind depth have 2 axes, but only mask and boxes are transformed"):
        module(train=Deep(), augment={}).try_augmentation()


def test_workers_change_nothing_about_boxes():
    def loaded(workers):
        data = module(workers)
        train = data.loader(data.augmented(), TrainBatches(6, 2, seed=0), workers)
        val = data.loader(EvalDataset(data.val, data.fit), EvalBatches([(32, 32)] * 6, 4), workers)
        return list(train), list(val)

    (train, val), (other_train, other_val) = loaded(0), loaded(2)
    assert len(train) == len(other_train) == 3 and len(val) == len(other_val) == 2
    for one, two in zip(train, other_train, strict=True):
        assert torch.equal(one["image"], two["image"]) and torch.equal(one["boxes"], two["boxes"])
    for one, two in zip(val, other_val, strict=True):
        assert torch.equal(one["image"], two["image"]) and one["places"][0].equal(two["places"][0])
        for truth, same in zip(one["annotations"], two["annotations"], strict=True):
            assert type(same) is Annotations and same.boxes.dtype == np.float64, "not made tensors on the way"
            assert (truth.boxes == same.boxes).all() and truth.image_id == same.image_id


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"augment": {}, "fit": None},
            r"images of 20×30 and 30×20 \(height×width\) make no batch: a transform of data\.augment",
        ),
        ({"crop": lambda source, _: source}, r"data\.crop changes the image alone: use data\.augment where"),
        ({"fit": ResizeCentreCrop(16, 16)}, r"data\.fit=ResizeCentreCrop moves no boxes"),
        (
            {"crop": lambda source, _: source, "train": Squares()},
            r"data\.crop changes .* where there are boxes or masks",
        ),
    ],
)
def test_what_boxes_cannot_follow_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        module(**changes).try_augmentation()


def test_boxes_and_masks_go_together_with_and_without_a_fit():
    class Both(Boxed):
        def read(self, index, view=None):
            return super().read(index, view) | {"mask": np.zeros(self.size(index), np.uint8)}

    draws = [Draw(1, (0, 0, 0)), Draw(3, (0, 0, 1))]
    batch = TrainDataset(Both(), [albumentations.HorizontalFlip(p=1.0)])[draws]
    assert batch["mask"].shape == (2, 20, 30) and batch["boxes"][0, 0].tolist() == [18, 3, 28, 13, 4]
    fitted = TrainDataset(Both(), [], fit=Stretch([40, 60]))[draws]
    assert fitted["mask"].shape == (2, 40, 60) and fitted["boxes"][0, 0].tolist() == [4, 6, 24, 26, 4]


def test_devices_without_a_kernel_for_uint8_shrink_through_floats():
    images = torch.randint(0, 256, (2, 3, 40, 56), dtype=torch.uint8)
    for size in ((16, 22), (13, 17)):
        difference = (resized_elsewhere(images, size).int() - resized_on_cpu(images, size).int()).abs()
        assert int(difference.max()) <= 1 and float(difference.float().mean()) < 0.2  # the CPU rounds twice
    small = shrunk(images.to("meta"), 16)
    assert small.shape == (2, 3, 16, 22) and small.dtype == torch.uint8


def as_it_was(sampler):
    """The order that runs of before have: the whole epoch as lists."""
    order = np.random.default_rng((sampler.seed, sampler.epoch))
    order = np.concatenate([order.permutation(sampler.size) for _ in range(sampler.repeat)])
    order = np.resize(order, len(sampler) * sampler.batch_size * sampler.world)
    return [
        [Draw(int(order[p]), (sampler.seed, sampler.epoch, p)) for p in range(*sampler.bounds(number))]
        for number in sampler.left()
    ]


def test_an_epoch_is_drawn_batch_by_batch_in_the_order_it_always_had():
    for options in ({}, {"repeat": 3}, {"rank": 1, "world": 2}, {"epoch": 4, "skip": 2}):
        sampler = TrainBatches(21, 4, seed=5, **options)
        assert list(sampler) == list(sampler) == as_it_was(sampler)
    large = iter(TrainBatches(10**6, 2, seed=0))
    tracemalloc.start()
    next(large)
    assert tracemalloc.get_traced_memory()[1] < 10**5, "one batch, and not the epoch, is made"
    tracemalloc.stop()
    begun = iter(mixed := MixedBatches([5, 7], [1, 2], seed=0))
    first = list(mixed)
    mixed.set_epoch(1)
    assert list(begun) == first != list(mixed), "an epoch that has begun stays what it is"


def test_balanced_batches():
    labels = np.repeat([0, 1, 4], [80, 16, 4])
    for balance, expected in ((0.0, [80, 16, 4]), (1.0, [34, 33, 33]), (0.5, [60, 27, 13])):
        sampler = BalancedBatches(labels, 10, balance, seed=1)
        images = np.array([draw.image for batch in sampler for draw in batch])
        assert len(sampler) == 10 and np.abs(np.bincount(labels[images])[[0, 1, 4]] - expected).max() <= 1
        for label in (0, 1, 4):
            often = np.bincount(images, minlength=100)[labels == label]
            assert often.max() - often.min() <= 1, "the images of a class take turns"
    assert list(sampler) == list(sampler)
    ranks = [list(BalancedBatches(labels, 5, 0.5, seed=1, rank=rank, world=2)) for rank in (0, 1)]
    assert [one + other for one, other in zip(*ranks, strict=True)] == list(sampler)
    resumed = BalancedBatches(labels, 10, 0.5, seed=1, skip=7)
    assert list(resumed) == list(sampler)[7:]
    sampler.set_epoch(1)
    resumed.set_epoch(1)
    assert list(resumed) == list(sampler)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_half_precision_leaves_coordinates_as_they_are(precision):
    data = module(0)
    data.trainer = lightning.Trainer(precision=precision, accelerator="cpu", logger=False, enable_checkpointing=False)
    data.setup("fit")
    boxes = torch.tensor([[427.0, 1001, 3, 4, 1]])
    places = (torch.tensor([[0.0, 0, 427, 640]]), torch.tensor([[427.0, 640]]))
    image = torch.zeros(1, 3, 4, 4, dtype=torch.uint8)
    batch = {"image": image, "shares": torch.ones(1), "boxes": boxes, "places": places}
    half = data.trainer.precision_plugin.convert_input(batch)
    assert half["boxes"] is boxes and half["places"] is places and half["image"].dtype == torch.uint8
    assert half["shares"].dtype == {"bf16-true": torch.bfloat16, "16-true": torch.float16}[precision]
    assert data.trainer.precision_plugin.convert_input(torch.ones(1)).dtype == half["shares"].dtype


def test_a_search_draws_as_a_training_does():
    class Labelled(Boxed):
        def class_labels(self):
            return np.array([0, 0, 0, 0, 0, 1])

    class Drawn:
        def __getitem__(self, draws):
            return [draw.image for draw in draws]

    data = module(0, train=Labelled(), drawing=DrawSettings(balance=1.0))
    data.augmented = Drawn
    proxy = SimpleNamespace(data=data, run=SimpleNamespace(seed=0), steps=3, shrink=lambda batch: batch, device="cpu")
    drawn = [image for batch in Proxy.batches(proxy, 0, 3) for image in batch]
    assert drawn == [draw.image for batch in data.order()(seed=0) for draw in batch]
    assert drawn.count(5) == 3, "half the draws are of the class with one image"
