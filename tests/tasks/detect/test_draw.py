"""Boxes on images: where their edges and tags are, and in which colours."""

import numpy as np
import pytest

from tasks.detect.draw import DARK, colour_of, common, draw_boxes, palette, place_tag

NAMES = ["cell", "platelet", "a class with a long name"]
NONE = np.zeros((0, 4)), np.zeros(0, np.int64)


def grey(height, width):
    return np.full((height, width, 3), 128, np.uint8)


def pixels(picture):
    return np.asarray(picture.convert("RGB"))


def test_palette_is_distinct_and_a_class_keeps_its_colour():
    colours = palette()
    assert len(np.unique(colours, axis=0)) == len(colours) == 128
    distances = np.abs(colours[:20, None] - colours[:20]).sum(2)[~np.eye(20, dtype=bool)]
    assert distances.min() > 60
    assert colour_of(130) == colour_of(2)


def test_edges_have_the_colour_of_the_class():
    picture = pixels(draw_boxes(grey(480, 640), np.array([[100.0, 200, 301, 400]]), np.array([1]), None, NAMES))
    assert picture.shape == (480, 640, 3)
    for y, x in ((200, 250), (399, 150), (300, 100), (300, 300)):
        assert tuple(picture[y, x]) == colour_of(1)
    assert tuple(picture[300, 200]) == tuple(picture[300, 302]) == tuple(picture[401, 150]) == (128, 128, 128)


def test_wrong_boxes_are_dashed_on_dark():
    box, label = np.array([[100.0, 200, 300, 400]]), np.array([1])
    picture = pixels(draw_boxes(grey(480, 640), box, label, None, NAMES, np.array([True])))
    edge = {tuple(colour) for colour in picture[300:399, 100].tolist()}
    assert edge == {DARK, colour_of(1)}


def test_framed_lines_have_edges_of_another_brightness():
    for label, edge in ((1, 255), (3, 0)):  # blue on white, orange on black
        box = np.array([[100.0, 200, 301, 400]]), np.array([label])
        picture, plain = (pixels(draw_boxes(grey(480, 640), *box, None, NAMES * 2, framed=f)) for f in (True, False))
        assert [tuple(picture[y, 250]) for y in range(198, 204)] == [
            (128, 128, 128), (edge,) * 3, colour_of(label), colour_of(label), (edge,) * 3, (128, 128, 128)
        ]  # fmt: skip
        line = (plain == colour_of(label)).all(2)
        assert line.any() and (picture[line] == plain[line]).all(), "the line itself stays as thick as it was"


def test_best_scored_is_on_top():
    boxes, labels = np.array([[100.0, 100, 300, 300]] * 2), np.array([0, 1])
    for scores, top in ((np.array([0.9, 0.5]), 0), (np.array([0.5, 0.9]), 1)):
        assert tuple(pixels(draw_boxes(grey(480, 640), boxes, labels, scores, NAMES))[200, 100]) == colour_of(top)


def test_small_images_are_enlarged_by_a_whole_factor():
    picture = draw_boxes(grey(60, 100), np.array([[10.0, 20, 90, 50]]), np.array([0]), None, NAMES)
    assert picture.size == (400, 240)
    assert tuple(pixels(picture)[150, 40]) == colour_of(0)


def test_box_out_of_the_image_is_drawn_at_its_edge():
    picture = pixels(draw_boxes(grey(480, 640), np.array([[-50.0, 100, 900, 300]]), np.array([0]), None, NAMES))
    assert tuple(picture[200, 0]) == tuple(picture[200, 639]) == colour_of(0)


def test_nothing_to_draw():
    assert (pixels(draw_boxes(grey(480, 640), *NONE, None, NAMES)) == 128).all()
    assert (pixels(draw_boxes(grey(480, 640), *NONE, np.zeros(0), NAMES)) == 128).all()


@pytest.mark.parametrize("box", [(0, 0, 10, 10), (630, 470, 639, 479), (0, 475, 639, 479), (300, 0, 310, 479)])
def test_tag_stays_inside_the_picture(box):
    left, top, right, bottom = place_tag(box, (90, 18), (640, 480), [], [box])
    assert left >= 0 and top >= 0 and right < 640 and bottom < 480
    assert (right - left, bottom - top) == (89, 17)


def test_tags_of_the_same_box_stand_apart_until_there_is_no_room():
    box, tags = (100, 100, 140, 140), []
    while tag := place_tag(box, (90, 18), (640, 480), tags, [box]):
        assert not any(common(tag, other) for other in tags)
        tags.append(tag)
    assert len(tags) == 4  # above, at the top, at the bottom and below; right and left are too near to each other


def test_tag_hides_no_small_thing_and_is_left_out_where_no_room_is():
    box, above = (100, 100, 200, 200), (110, 85, 130, 95)
    assert place_tag(box, (60, 18), (640, 480), [], [box]) == (100, 82, 159, 99)
    assert common(place_tag(box, (60, 18), (640, 480), [], [box, above]), above) == 0
    assert place_tag(box, (60, 18), (50, 480), [], [box]) is None
    assert place_tag(box, (60, 18), (640, 480), [(0, 0, 639, 479)], [box]) is None


def test_tag_is_drawn_above_its_box():
    picture = pixels(draw_boxes(grey(480, 640), np.array([[100.0, 200, 400, 400]]), np.array([2]), None, NAMES))
    assert tuple(picture[196, 101]) == colour_of(2)


def test_a_crowd_is_named_in_the_legend_only():
    boxes = np.array([[x, y, x + 60, y + 60] for x in range(20, 600, 100) for y in (50, 200)], float)
    labels = np.zeros(len(boxes), np.int64)
    crowd = draw_boxes(grey(480, 640), boxes, labels, None, NAMES)
    assert crowd.width == 640 and crowd.height > 480
    inside, legend = pixels(crowd)[:480], pixels(crowd)[480:]
    assert set(map(tuple, inside.reshape(-1, 3).tolist())) == {(128, 128, 128), colour_of(0)}  # no text
    assert (legend == colour_of(0)).all(2).any() and (legend == 0).all(2).any()
    assert draw_boxes(grey(480, 640), boxes[:3], labels[:3], None, NAMES).height == 480


def test_tags_of_many_boxes_are_quick_and_leave_a_picture_of_sane_size():
    random = np.random.default_rng(0)
    corners = random.uniform(0, 500, (100, 2))
    boxes = np.hstack((corners, corners + random.uniform(0, 80, (100, 2))))
    labels, scores = random.integers(0, 30, 100), random.uniform(0, 1, 100)
    picture = draw_boxes(grey(480, 640), boxes, labels, scores, [f"thing {k}" for k in range(30)])
    assert picture.width == 640 and 480 < picture.height < 700
