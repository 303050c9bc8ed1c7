"""Rare classes are drawn more often: the paper's factors by hand, and one order for all processes and restarts."""

import numpy as np
import pytest

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError
from tasks.data.loading.batches import InMemory
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.drawing import DrawSettings
from tasks.data.loading.rarity import class_uniform, drawn_by_weight, often, present_classes, repeat_factors
from tasks.data.loading.samplers import MixedBatches, TrainBatches, WeightedBatches
from tests.tasks.data.loading.test_batches import Boxed, Squares

# Class 0 in all of 10 images, class 1 in 4 of them, class 2 in one, class 3 in none.
PRESENT = np.zeros((10, 4), bool)
PRESENT[:, 0], PRESENT[:4, 1], PRESENT[0, 2] = True, True, True


def test_repeat_factors_are_the_papers():
    """r_c = max(1, √(t / f_c)); an image has the largest of its classes."""
    found = repeat_factors(PRESENT, 0.9)
    assert found.tolist() == pytest.approx([3.0, 1.5, 1.5, 1.5, *[1.0] * 6])  # √(0.9/0.1), √(0.9/0.4), 1
    assert repeat_factors(PRESENT, 0.1).tolist() == [1.0] * 10, "a class in a share of just the threshold is not rare"
    assert repeat_factors(np.zeros((3, 2), bool), 0.5).tolist() == [1.0] * 3


def test_class_uniform_draws_are_spread_over_classes_and_their_images():
    """Each of three classes has a third of the draws; an image its share of each of its classes'."""
    found = class_uniform(PRESENT, 1.0)
    assert found.mean() == pytest.approx(1)
    assert (found / 10).tolist() == pytest.approx(
        [(1 / 10 + 1 / 4 + 1) / 3, *[(1 / 10 + 1 / 4) / 3] * 3, *[1 / 10 / 3] * 6]
    )
    assert class_uniform(PRESENT, 0.25).tolist() == pytest.approx((0.75 + 0.25 * found).tolist())
    assert class_uniform(np.zeros((3, 2), bool), 1.0).tolist() == [1.0] * 3


def test_each_image_is_drawn_as_often_as_its_share_give_or_take_one():
    weights = repeat_factors(PRESENT, 0.9)
    expected = weights / weights.sum() * 10
    counts = [
        np.bincount(drawn_by_weight(weights, 10, np.random.default_rng(seed)), minlength=10) for seed in range(800)
    ]
    assert all(count.sum() == 10 and (np.abs(count - expected) < 1).all() for count in counts)
    assert np.abs(np.mean(counts, 0) - expected).max() < 0.07


@pytest.mark.parametrize(
    "make",
    [
        lambda batch, **options: WeightedBatches(np.arange(1.0, 25), batch, **options),
        lambda batch, **options: MixedBatches((24, 6), (batch // 2, batch // 2), (np.arange(1.0, 25), None), **options),
    ],
)
def test_the_order_is_the_same_for_any_processes_and_after_a_restart(make):
    whole = list(make(4, seed=1, epoch=2))
    halves = [list(make(2, seed=1, epoch=2, rank=rank, world=2)) for rank in range(2)]
    for one, first, second in zip(whole, *halves, strict=True):
        assert sorted(one) == sorted(first + second)
    assert list(make(4, seed=1, epoch=2, skip=3)) == whole[3:]
    assert list(make(4, seed=1, epoch=3)) != whole


def test_an_epoch_keeps_its_length():
    assert len(WeightedBatches(np.ones(10), 4, seed=0, repeat=3)) == len(TrainBatches(10, 4, seed=0, repeat=3)) == 8
    drawn = [draw.image for batch in WeightedBatches(np.ones(10), 5, seed=0) for draw in batch]
    assert sorted(drawn) == list(range(10)), "equal weights: each once"


class Both(Boxed):
    """Six images with 0 to 3 boxes of classes 4 to 6, one of them a crowd, and with masks."""

    def read(self, index, view=None):
        if index == 5:
            raise UserError("broken")
        mask = np.full(self.size(index), index % 2, np.uint8)
        mask[0, 0] = 255
        return super().read(index, view) | {"mask": mask}

    def annotations(self, index):
        count = index % 4
        boxes = np.zeros((count, 4))
        return Annotations(index, 20, 30, boxes, np.arange(4, 4 + count), boxes[:, 0], np.arange(count) == 2)

    def label_matrix(self):
        return np.eye(6, 2, dtype=np.uint8)

    def class_labels(self):
        return np.array([0, 0, 2, 0, 0, 0])


@pytest.mark.parametrize("samples", [Both(), InMemory(Both())])
def test_classes_are_found_in_all_kinds_of_labels(samples):
    boxes = present_classes(samples, ["boxes"])
    assert [np.flatnonzero(row).tolist() for row in boxes] == [[], [4], [4, 5], [4, 5], [], [4]], "crowds do not count"
    masks = present_classes(samples, ["mask"])
    assert [np.flatnonzero(row).tolist() for row in masks] == [[0], [1], [0], [1], [0], []], "no void; none if broken"
    assert present_classes(samples, ["label"]).sum(0).tolist() == [5, 0, 1]
    assert present_classes(samples, ["multilabel"]).sum(0).tolist() == [1, 1]
    assert present_classes(samples, ["label", "boxes"]).shape == (6, 3 + 6)


def test_one_line_says_what_is_drawn_more_often():
    found = often(Both(), ["boxes"], 0.9, 0.0)
    assert found.line == (
        "data.repeat_factor=0.9: 4 of 6 images are drawn more often than others, up to 1.6 times as often; the rarest "
        "class is in 2"
    )
    assert often(Both(), ["boxes"], 0.0, 0.5).line.startswith("data.balance=0.5: 4 of 6 images")
    assert often(Both(), [], 0.9, 0.0) is None


def data(train, targets, **rule):
    options = {"augment": {}, "crop": None, "fit": None, "progressive": None, "max_broken": 0, "repeat": 1}
    options |= {"batch_size": 2, "eval_batch_size": 1, "workers": 0, "seed": 0}
    return DataModule(train, train, **options, drawing=DrawSettings(targets=targets, **rule))


def test_the_data_module_draws_by_weight():
    rare = data(Both(), ("boxes",), repeat_factor=0.9)
    assert isinstance(rare.order()(seed=0), WeightedBatches) and len(rare.drawing.lines()) == 1
    assert isinstance(data(Both(), ("mask",), balance=0.5).order()(seed=0), WeightedBatches)
    plain = data(Squares(), ("mask",))
    assert type(plain.order()(seed=0)) is TrainBatches and plain.drawing.lines() == []
