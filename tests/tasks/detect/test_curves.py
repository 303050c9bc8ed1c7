"""Precision-recall curves: where they run, what is named and what is left out."""

from functools import partial

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from tasks.common.charts import write_chart
from tasks.detect.curves import corners, draw_curves, precision_recall
from tasks.detect.draw import colour_of


def falling(classes, seed=0):
    """(101, classes) precisions that fall from 1."""
    return 1 - np.linspace(0, 1, 101)[:, None] ** np.random.default_rng(seed).uniform(1, 4, classes)


def curves_of(precision, names=None):
    names = [f"class {k}" for k in range(precision.shape[1])] if names is None else names
    means = [None if not value >= 0 else value for value in precision.mean(0).tolist()]
    return precision_recall(precision, precision * 0.5, names, means)


def drawn(curves):
    figure = Figure()
    draw_curves(figure, curves)
    return figure


def test_curves_run_where_they_should_in_the_colours_of_their_classes():
    precision = np.stack((np.full(101, 0.9), np.where(np.arange(101) <= 50, 0.3, 0)), 1)
    first, second = drawn(curves_of(precision)).axes
    low, high = first.lines  # the best class on top
    assert to_rgb(high.get_color()) == tuple(value / 255 for value in colour_of(0))
    assert set(high.get_ydata()) == {0.9} and high.get_xdata()[-1] == 1
    assert to_rgb(low.get_color()) == tuple(value / 255 for value in colour_of(1))
    assert low.get_xydata()[-2:].tolist() == [[0.5, 0.3], [0.5, 0]]  # falls to the ground where no more was found
    assert set(second.lines[1].get_ydata()) == {0.45}


def test_corners_of_a_curve():
    assert corners(np.zeros(101)) == ([0, 0], [0, 0])
    assert [values[-1] for values in corners(np.ones(101))] == [1, 1]
    recalls, precisions = corners(np.where(np.arange(101) < 21, 1.0, 0.0))
    assert (recalls[-2:], precisions[-2:]) == ([0.2, 0.2], [1, 0])


def test_names_stand_in_the_legend_as_they_are():
    figure = drawn(curves_of(falling(2), ["_a$b$", "b" * 40]))
    assert sorted(text.get_text().split()[-1] for text in figure.legends[0].get_texts()) == ["_a$b$", "b" * 23 + "…"]


def printed(precision, names=None):
    """What would be drawn: names of grey curves, of named ones, of classes without truth."""
    grey, named, absent = curves_of(precision, names)
    return {
        "grey": [curve.name for curve in grey],
        "named": [curve.name for curve in named],
        "absent": absent,
        "ap50": [round(curve.ap50, 6) for curve in named],
    }


def test_best_first_and_classes_without_truth_are_listed():
    precision = np.stack((np.full(101, 0.2), np.full(101, -1.0), np.full(101, 0.7), np.full(101, np.nan)), 1)
    shown = printed(precision, ["a", "b", "c", "d"])
    assert shown == {
        "grey": [],
        "named": ["c", "a"],
        "absent": ["b", "d"],
        "ap50": [0.7, 0.2],
    }


def test_of_many_classes_the_mean_and_the_ten_worst_are_named():
    precision = np.tile(np.linspace(0.9, 0.1, 41), (101, 1))
    precision[:, 40] = -1
    shown = printed(precision)
    assert shown["named"] == ["mean of 40", *(f"class {k}" for k in range(30, 40))]
    assert shown["ap50"][0] == pytest.approx(0.51)
    assert shown["grey"] == [f"class {k}" for k in range(30)]
    assert shown["absent"] == ["class 40"]


@pytest.mark.parametrize(("classes", "absent"), [(1, 0), (80, 60), (2, 2)])
def test_every_picture_can_be_written(tmp_path, classes, absent):
    precision = falling(classes)
    precision[:, :absent] = -1
    line = write_chart(tmp_path / "a.png", partial(draw_curves, curves=curves_of(precision)), 12.4, 5)
    assert str(tmp_path / "a.png") in line and Image.open(tmp_path / "a.png").size == (1240, 500)
