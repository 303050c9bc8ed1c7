"""A share of the training images: stratified, nested, the same whatever the files' order, with as many steps."""

import hashlib

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.files.boxes import PackedBoxes
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.mixture import MixedSamples, Part
from tasks.data.loading.share import classes_of, stratified, take_share

NAMES = "abcdefghijkl"  # 12 images


class Labelled:
    """Samples with names, and a class and a label map each."""

    def __init__(self, names, labels):
        self.names, self.labels = list(names), np.asarray(labels)

    def __len__(self):
        return len(self.names)

    def name(self, index):
        return self.names[index]

    def read(self, index, _view=None):
        if self.names[index] == "?":
            raise UserError("? cannot be decoded")
        return {"image": None, "label": self.labels[index], "mask": np.full((2, 2), self.labels[index], np.uint8)}

    def class_labels(self):
        return self.labels

    def class_pixels(self, classes):
        return np.full(classes, 99)


def samples(order=1):
    return Labelled(NAMES[::order], ([0] * 8 + [1] * 4)[::order])


def chosen(found):
    return {found.name(index) for index in range(len(found))}


def test_every_beginning_has_the_proportions_of_the_whole():
    labels = samples().labels
    order = stratified(NAMES, [[label] for label in labels], seed=0)
    assert sorted(order) == list(range(12))
    for end, ones in ((3, 1), (6, 2), (9, 3), (12, 4)):
        assert sum(labels[order[:end]]) == ones
    first = [
        sorted(group, key=lambda name: hashlib.sha256(f"0:{name}".encode()).digest())[0]
        for group in ("abcdefgh", "ijkl")
    ]
    assert [NAMES[index] for index in order if NAMES[index] in first] == first  # at 1/16 and 1/8 of the order


def test_an_image_counts_for_its_rarest_class():
    # class 1 is in two images, class 0 in four, class 2 in none
    order = stratified("abcd", [[0], [0, 1], [0], [0, 1]], seed=3)
    assert sorted(index % 2 for index in order[:2]) == sorted(index % 2 for index in order[2:]) == [0, 1]
    assert sorted(stratified("abc", [[], [], []], seed=0)) == [0, 1, 2]


def test_shares_are_nested_and_follow_from_names_and_seed():
    quarter, half = (take_share(samples(), share, 0, ["label"])[0] for share in (0.25, 0.5))
    assert len(chosen(quarter)) == 3 and len(chosen(half)) == 6 and chosen(quarter) < chosen(half)
    assert chosen(take_share(samples(-1), 0.5, 0, ["label"])[0]) == chosen(half)
    assert any(chosen(take_share(samples(), 0.5, seed, ["label"])[0]) != chosen(half) for seed in range(1, 5))


def test_an_epoch_keeps_its_length_and_every_image_returns_as_often():
    found, distinct = take_share(samples(), 0.25, 0, ["label"])
    assert (len(found), distinct) == (12, 3)
    assert np.unique(found.numbers, return_counts=True)[1].tolist() == [4, 4, 4]
    assert found.class_labels().tolist() == samples().labels[found.numbers].tolist()


def test_what_is_left_out_does_not_weigh_the_loss():
    found, _ = take_share(samples(), 0.25, 0, ["mask"])
    assert found.class_pixels(3).tolist() == [8, 4, 0]  # two images of class 0, one of class 1, of 2×2 pixels
    assert take_share(samples(), 0.25, 0, ["label"])[0].class_pixels(2).tolist() == [99, 99]  # no masks are read


def test_each_data_set_of_a_mixture_gives_its_share():
    mixture = MixedSamples([Part("one", samples(), ["label"]), Part("two", Labelled("mnop", [0, 0, 1, 1]), ["label"])])
    found, distinct = take_share(mixture, 0.5, 0, ["label"])
    assert found.sizes == [12, 4] and distinct == 8
    assert sum(name.startswith("two__") for name in chosen(found)) == 2


def test_boxes_and_unreadable_images():
    boxed = Labelled("ab", [0, 0])
    boxed.read = lambda _index: {"image": None, "bboxes": None}
    numbers = np.array([0, 1, 1])
    sizes, ids = np.full((2, 2), 10), np.arange(3)
    corners = np.tile([0.0, 0.0, 5.0, 5.0], (3, 1))
    boxed.boxes = PackedBoxes(numbers[:2], sizes, numbers, corners, np.array([4, 2, 4]), ids * 1.0, ids > 9, ids)
    assert classes_of(boxed, ["boxes"]) == ([[4], [2, 4]], None)
    broken = Labelled("?b", [0, 1])
    classes, pixels = classes_of(broken, ["mask"])
    assert classes == [[], [1]] and pixels[:, :2].tolist() == [[0, 0], [0, 4]]


def boxed(counts):
    """One image for each count, of 10×10 pixels with so many boxes of 5×5."""
    owners = np.repeat(np.arange(len(counts)), counts)
    boxes = np.tile([0.0, 0.0, 5.0, 5.0], (len(owners), 1))
    every = np.arange(len(owners))
    found = Labelled(NAMES[: len(counts)], [0] * len(counts))
    sizes = np.full((len(counts), 2), 10)
    found.boxes = PackedBoxes(np.arange(len(counts)), sizes, owners, boxes, every * 0, every + 1.0, every < 0, every)
    return found


def module(train, val, repeat=1):
    return DataModule(
        train, val, augment={}, crop=None, fit=None, progressive=None, max_broken=0, batch_size=2, eval_batch_size=1,
        repeat=repeat, workers=0, seed=0,
    )  # fmt: skip


def test_images_and_objects_that_return_are_counted_once():
    whole = boxed([1, 2, 3, 4])
    part, _ = take_share(whole, 0.25, 0, ["boxes"])
    data = module(part, whole, repeat=3)
    assert part.boxes_once is not None and len(part.boxes.taught) == 4 * len(part.boxes_once.taught)
    assert len(data.object_sides()) == whole.boxes.to_train(part.numbers[0]).shape[0]
    assert data.data_line() == "data: 1 training images, each 12 times an epoch, and 4 validation images"
    assert module(whole, whole).data_line() == "data: 4 training and 4 validation images"
    assert len(module(whole, whole).object_sides()) == 10
    mixture = MixedSamples([Part("one", part, ["boxes"]), Part("two", whole, ["boxes"])])
    assert (
        module(mixture, mixture).data_line()
        == "data: 5 training images, each 1.6 times an epoch, and 8 validation images"
    )
    assert module(None, whole).data_line() == "data: 4 validation images"


def test_a_share_without_an_image_is_refused():
    with pytest.raises(UserError, match=r"^data.share=0.01 leaves none of 12 training images: take a larger share"):
        take_share(samples(), 0.01, 0, ["label"])


def test_the_real_command_trains_on_a_share(command, folders, tmp_path):
    arguments = (
        *("dataset=folders", f"dataset.root={folders}", "backbone=mobilenet_v3_small", "backbone.width=0.35"),
        *("data.batch_size=4", "data.workers=0", "data.augment={}", "trainer.accelerator=cpu", "trainer.max_epochs=1"),
        *("data.crop.size=32", "data.fit.resize=36", "data.fit.crop=32", "pictures=0", "image_size=null"),
    )
    result = command("classify", *arguments, "data.share=0.5", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0, result.err
    assert "share     6 of 12 training images, 2 times an epoch" in result.out
    assert '"images": 6' in (tmp_path / "run" / "training.json").read_text()


def test_a_share_out_of_range_is_refused(command, tmp_path):
    result = command("classify", "data.share=0", f"hydra.run.dir={tmp_path / 'none'}")
    assert (result.status, result.err) == (2, "error: data.share=0 is not a number above 0 to 1\n")
