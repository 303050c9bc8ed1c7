"""Precision-recall curves: where they run, what is named and what is left out."""

import numpy as np
import pytest
from PIL import Image

from tasks.detect import curves
from tasks.detect.curves import MARGIN, SIDE, TIMES, points, precision_recall
from tasks.detect.draw import colour_of


def falling(classes, seed=0):
    """(101, classes) precisions that fall from 1."""
    return 1 - np.linspace(0, 1, 101)[:, None] ** np.random.default_rng(seed).uniform(1, 4, classes)


def chart(precision, names=None):
    names = [f"class {k}" for k in range(precision.shape[1])] if names is None else names
    means = [None if not value >= 0 else value for value in precision.mean(0).tolist()]
    return precision_recall(precision, precision * 0.5, names, means)


def near(picture, x, y, colour):
    """Whether the colour is within two pixels of a place of the finished picture."""
    some = np.asarray(picture)[y - 2 : y + 3, x - 2 : x + 3].astype(int)
    return bool((np.abs(some - colour).max(2) < 40).any())


def place(recall, precision):
    """Of a point of the first chart in the finished picture."""
    return round((MARGIN + recall * SIDE) / TIMES), round((MARGIN + (1 - precision) * SIDE) / TIMES)


def test_curves_run_where_they_should_in_the_colours_of_their_classes():
    precision = np.stack((np.full(101, 0.9), np.where(np.arange(101) <= 50, 0.3, 0)), 1)
    picture = chart(precision)
    assert isinstance(picture, Image.Image)
    for recall in (0.1, 0.55, 0.9):
        assert near(picture, *place(recall, 0.9), colour_of(0))
    assert near(picture, *place(0.3, 0.3), colour_of(1))
    assert near(picture, *place(0.5, 0.1), colour_of(1))  # falls to the ground where no more was found
    assert not near(picture, *place(0.75, 0.3), colour_of(1))
    second = MARGIN + SIDE  # from the first chart to the second, where all is half as high
    x, y = place(0.5, 0.45)
    assert near(picture, x + second // TIMES, y, colour_of(0))


def test_points_of_a_curve():
    ground = MARGIN + SIDE
    assert points(np.zeros(101), 0) == [(0, ground), (0, ground)]
    assert points(np.ones(101), 0)[-1] == (SIDE, MARGIN)
    assert points(np.where(np.arange(101) < 21, 1.0, 0.0), 0)[-2:] == [(0.2 * SIDE, MARGIN), (0.2 * SIDE, ground)]


@pytest.fixture
def shown(monkeypatch):
    """What would be drawn: grey curves, named ones, classes without truth."""
    seen = {}

    def picture(grey, named, absent):
        seen.update(grey=[c.name for c in grey], named=[c.name for c in named], absent=list(absent))
        seen["ap50"] = [round(curve.ap50, 6) for curve in named]

    monkeypatch.setattr(curves, "picture", picture)
    return seen


def test_best_first_and_classes_without_truth_are_listed(shown):
    precision = np.stack((np.full(101, 0.2), np.full(101, -1.0), np.full(101, 0.7), np.full(101, np.nan)), 1)
    chart(precision, ["a", "b", "c", "d"])
    assert shown == {"grey": [], "named": ["c", "a"], "absent": ["b", "d"], "ap50": [0.7, 0.2]}


def test_of_many_classes_the_mean_and_the_ten_worst_are_named(shown):
    precision = np.tile(np.linspace(0.9, 0.1, 41), (101, 1))
    precision[:, 40] = -1
    chart(precision)
    assert shown["named"] == ["mean of 40", *(f"class {k}" for k in range(30, 40))]
    assert shown["ap50"][0] == pytest.approx(0.51)
    assert shown["grey"] == [f"class {k}" for k in range(30)]
    assert shown["absent"] == ["class 40"]


@pytest.mark.parametrize("classes, absent", [(1, 0), (3, 1), (20, 0), (21, 3), (80, 60), (2, 2)])
def test_every_picture_has_a_sane_size(classes, absent):
    precision = falling(classes)
    precision[:, :absent] = -1
    picture = chart(precision)
    assert 900 < picture.width < 1300 and 450 < picture.height < 560
