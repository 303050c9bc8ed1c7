"""Label maps and boxes of polygons and run-length masks: literal truths, and pycocotools as the reference."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from tasks.common.errors import UserError
from tasks.data.files.coco_boxes import box_of_segmentation
from tasks.data.files.rasters import PolygonMasks
from tasks.data.files.shapes import Shapes

FILE = Path("boxes.json")
SQUARE = [1, 1, 4, 1, 4, 4, 1, 4]  # pixels 1 to 3 of both axes


def masks(segments, labels, owners=None, sizes=((5, 6),), background=0):
    sizes = np.array(sizes, np.int64)
    owners = np.array(owners or [0] * len(labels), np.int64)
    shapes = Shapes.of(segments, FILE)
    names = ["background", "a", "b"]
    return PolygonMasks(names, sizes, owners, np.array(labels, np.int64), shapes, source=FILE, background=background)


def test_pixels_of_two_squares():
    """The later one covers the earlier, whatever the order of the images."""
    found = masks(
        [[SQUARE], [[0, 0, 2, 0, 2, 2, 0, 2]], [[3, 2, 6, 2, 6, 5, 3, 5]]], [1, 1, 2], [1, 0, 1], [(2, 3), (5, 6)]
    )
    assert found.size(1) == (5, 6) and found.path(1) == FILE
    assert found.read(0).tolist() == [[1, 1, 0], [1, 1, 0]]
    whole = found.read(1)
    assert whole.dtype == np.uint8 and whole.flags.c_contiguous
    assert whole.tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 0, 0],
        [0, 1, 1, 2, 2, 2],
        [0, 1, 1, 2, 2, 2],
        [0, 0, 0, 2, 2, 2],
    ]


def test_background_may_be_void_and_objects_without_outline_too():
    found = masks([None, [SQUARE], [[0, 0, 6, 0, 6, 2, 0, 2]]], [1, 1, 255], background=255)
    assert found.read(0).tolist() == [
        [255] * 6,
        [255, 1, 1, 1, 255, 255],  # void lies below, though it comes later
        [255, 1, 1, 1, 255, 255],
        [255, 1, 1, 1, 255, 255],
        [255] * 6,
    ]


def test_several_polygons_and_run_lengths_are_one_object():
    two = [[0, 0, 2, 0, 2, 2, 0, 2], [4, 3, 6, 3, 6, 5, 4, 5]]
    runs = {"size": [5, 6], "counts": [0, 2, 3, 2, 16, 2, 3, 2]}  # the same, column by column
    packed = coco_mask.frPyObjects(runs, 5, 6)
    text = {"size": [5, 6], "counts": packed["counts"].decode()}
    expected = [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0] * 6, [0, 0, 0, 0, 1, 1], [0, 0, 0, 0, 1, 1]]
    for segment in (two, runs, text):
        assert masks([segment], [1]).read(0).tolist() == expected
        assert Shapes.of([segment], FILE).boxes().tolist() == [[0, 0, 6, 5]]


def test_some_images():
    found = masks([[SQUARE], [SQUARE]], [1, 2], [0, 2], [(5, 6)] * 3)
    part = found.of([2, 1])
    assert [part.read(index).max() for index in (0, 1)] == [2, 0] and part.of([0]).read(0).max() == 2
    assert found.read(0).max() == 1 and found.of([]).ends.tolist() == [0]


def test_boxes_are_those_of_single_outlines():
    generator = np.random.default_rng(0)
    segments = [
        [generator.uniform(0, 90, 2 * int(generator.integers(3, 9))).round(2).tolist() for _ in range(count)]
        for count in (1, 3, 2)
    ]
    segments.insert(1, None)
    segments.append({"size": [100, 90], "counts": [205, 7, 92, 8, 8688]})
    found = Shapes.of(segments, FILE)
    assert found.empty().tolist() == [False, True, False, False, False]
    for box, segment in zip(found.boxes(), segments, strict=True):
        expected = box_of_segmentation(segment)
        assert box.tolist() == list(expected) if expected else np.isnan(box).all()
    one = Shapes.of_rings(np.array([2, 3, 5, 3, 5, 9.5, 0, 1, 1, 1, 1, 2, 0, 2]), [6, 8])
    assert one.boxes().tolist() == [[2, 3, 3, 6.5], [0, 1, 1, 1]]


def test_polygons_are_drawn_as_pycocotools_draws_them():
    generator = np.random.default_rng(1)
    for _ in range(20):
        rings = [generator.uniform(-5, 45, 2 * int(generator.integers(3, 9))).tolist() for _ in range(2)]
        official = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(rings, 40, 30)))
        assert (masks([rings], [1], sizes=[(40, 30)]).read(0) == official).all()


def test_polygons_that_cover_nothing_and_numbers_as_text():
    assert masks([[[1, 1, 4, 4], SQUARE]], [1]).read(0).sum() == 9
    assert Shapes.of([[[1, 1, 4, 4]], []], FILE).empty().all()
    assert masks([[[str(value) for value in SQUARE]]], [1]).read(0).sum() == 9
    assert masks([SQUARE], [1]).read(0).sum() == 9, "one polygon that is not in a list"


@pytest.mark.parametrize(
    ("segment", "message"),
    [
        ([[1, 1, 4, 1, 4, 4, 1]], "annotation 1 has a polygon of 7 values: x, y, x, y, … are even in number"),
        ([[1, 1, 4, 1, 4, float("nan")]], "annotation 1 has a polygon with the value nan, which is not finite"),
        ([[1, 1, 4, 1, 4, float("inf")]], "annotation 1 has a polygon with the value inf, which is not finite"),
        ([[1, 1, 4, 1, 4, 1e12]], "annotation 1 has a polygon with the value 1e+12, which is nowhere near the image"),
        ([[1, 1, 4, 1, 4, "x"]], "annotation 1 has a polygon with 'x', which is no number"),
        ([[1, 1, 4, 1, 4, 10**400]], "annotation 1 has a polygon with 1000"),
        ([SQUARE, 4], "annotation 1 has a polygon 4, which is no list of numbers"),
        ("none", "annotation 1 has segmentation 'none', which is no list and no mask"),
        ({"counts": [30]}, "annotation 1 has a mask of size None, which is not"),
        ({"size": [5, 6], "counts": [10, -1, 21]}, "annotation 1 has a mask with counts [10, -1, 21], which are no"),
        ({"size": [5, 6], "counts": "PPk0~"}, "annotation 1 has a mask with counts 'PPk0~', which are no runs"),
        ({"size": [5, 6], "counts": [10, 21]}, "annotation 1 has a mask with runs of 31 pixels, but its size 6×5 has"),
        ({"size": [5, 6], "counts": "PPk0"}, "annotation 1 has a mask with runs of"),
        ({"size": [6, 5], "counts": [30]}, "annotation 1 has a mask of 5×6 pixels, its image has 6×5"),
    ],
)
def test_damaged_outlines_are_refused_by_name(segment, message):
    with pytest.raises(UserError) as raised:
        masks([[SQUARE], segment], [1, 2])
    assert str(raised.value).startswith("boxes.json: ") and message in str(raised.value)
