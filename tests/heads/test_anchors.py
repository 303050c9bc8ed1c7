"""Anchors by hand."""

import math

import numpy as np
import pytest
import torch

from heads import anchors


def test_the_papers_shapes():
    shapes = anchors.paper(6).shapes
    assert [len(level) for level in shapes] == [3, 6, 6, 6, 6, 6]
    root = math.sqrt(2)
    assert np.allclose(shapes[0], [(0.1, 0.1), (0.2 * root, 0.2 / root), (0.2 / root, 0.2 * root)])
    assert shapes[1][0] == pytest.approx((0.35, 0.35))
    assert shapes[1][5] == pytest.approx((math.sqrt(0.35 * 0.5),) * 2)
    assert shapes[5][0] == pytest.approx((0.95, 0.95)) and shapes[5][5] == pytest.approx((math.sqrt(0.95),) * 2)


def test_boxes_stand_around_the_middle_of_their_cells_in_the_order_of_rows():
    made = anchors.Anchors([[(0.5, 0.25)], [(1.0, 1.0)]]).boxes([(2, 2), (1, 1)], (100, 100), "cpu")
    expected = [
        [0, 12.5, 50, 37.5],
        [50, 12.5, 100, 37.5],
        [0, 62.5, 50, 87.5],
        [50, 62.5, 100, 87.5],
        [0, 0, 100, 100],
    ]
    assert made.tolist() == expected


def test_shapes_keep_their_aspect_in_images_that_are_not_square():
    (box,) = anchors.Anchors([[(0.5, 0.5)]]).boxes([(1, 1)], (100, 300), "cpu").tolist()
    assert box == pytest.approx([125, 25, 175, 75], abs=1e-4)


def test_scales_of_ones_own_and_all_shapes_on_the_first_map():
    made = anchors.paper(2, scales=[0.1, 0.4], ratios=[1, 4], reduce_first=False)
    assert made.per_cell == [3, 3]
    assert made.shapes[0] == [pytest.approx(shape) for shape in ((0.1, 0.1), (0.2, 0.05), (0.2, 0.2))]


def test_torchvisions_are_no_larger_than_the_image():
    shapes = anchors.torchvision(6).shapes
    assert [len(level) for level in shapes] == [6] * 6
    assert max(side for level in shapes for shape in level for side in shape) == 1.0


def test_many_image_sizes_do_not_fill_the_memory():
    made = anchors.paper(1)
    for side in range(32, 132):
        made.boxes([(2, 2)], (side, side), "cpu")
    assert len(made.made) <= 16
    assert torch.equal(made.boxes([(2, 2)], (40, 40), "cpu"), made.make([(2, 2)], (40, 40)))
