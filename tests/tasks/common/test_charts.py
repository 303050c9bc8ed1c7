"""Charts of networks by cost and worth: the front, the names, and what is said where matplotlib is missing."""

from functools import partial

import pytest
from matplotlib.figure import Figure

from tasks.common import charts
from tasks.common.charts import FRONT, Point, draw_front, write_chart

POINTS = [Point("fast", 1, 0.5), Point("beaten", 3, 0.4), Point("good_$x$", 4, 0.8)]


def test_the_front_is_joined_and_every_network_named():
    figure = Figure()
    draw_front(figure, POINTS, "ms", "mIoU")
    (axes,) = figure.axes
    (line,) = (line for line in axes.lines if line.get_linestyle() != "None")
    assert line.get_color() == FRONT and line.get_xydata().tolist() == [[1, 0.5], [4, 0.8]]
    assert [text.get_text() for text in axes.texts] == ["fast", "good_$x$", "beaten"]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()[0]) == ("ms", "mIoU", 0)


def test_names_cover_nothing():
    figure = Figure()
    draw_front(figure, [Point(f"network {n}", n % 4, n) for n in range(8)], "ms", "mIoU")
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 8
    assert not any(one.overlaps(other) for one in boxes for other in boxes if other is not one)


def test_without_matplotlib_a_line_says_which_extra_draws(monkeypatch, tmp_path):
    monkeypatch.setattr(charts, "find_spec", {}.get)
    line = write_chart(tmp_path / "pareto.png", pytest.fail, 4, 3)
    assert line == 'no picture pareto.png without matplotlib: pip install "mobilevision[plots]"'
    assert not (tmp_path / "pareto.png").exists()


def test_one_network_alone_is_drawn(tmp_path):
    draw = partial(draw_front, points=POINTS[:1], cost="ms", worth="mIoU", from_zero=False)
    assert write_chart(tmp_path / "a.png", draw, 4, 3).startswith("picture ")
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
