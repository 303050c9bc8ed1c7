"""What suits the boxes of a data set: k-means by hand; sizes, maps and anchors of boxes that have one answer."""

import numpy as np
import pytest

from backbones.base import Feature
from heads import anchors
from tasks.detect.fitted import (
    anchors_for,
    clustered,
    epochs_for,
    input_size,
    maps_for,
    proportioned,
    reached,
    reductions_of,
)
from tasks.detect.kmeans import overlap, shapes_of

FEATURES = {name: Feature(8, reduction) for name, reduction in (("c3", 8), ("c4_expanded", 16), ("c4", 16), ("c5", 32))}
C3, C4, C5 = ["c3_expanded", "c3"], ["c4_expanded", "c4"], ["c5"]


def test_means_of_two_kinds_of_boxes():
    sides = np.array([[10.0, 10], [30, 60], [12, 10], [34, 60], [11, 10]])
    assert shapes_of(sides, 2).tolist() == [[11, 10], [32, 60]]
    assert shapes_of(sides[::-1], 2).tolist() == [[11, 10], [32, 60]], "whatever their order"
    assert shapes_of(sides[:1].repeat(3, 0), 5).tolist() == [[10, 10]], "no more than there are"


def test_overlap_by_hand():
    assert overlap(np.array([[4.0, 2]]), np.array([[4.0, 2], [2, 4], [8, 8]])).tolist() == [[1, 4 / 12, 8 / 64]]


def test_the_means_are_where_no_box_wants_another_one():
    random = np.random.default_rng(0)
    sides = np.exp(random.normal(3, 0.7, (500, 2)))
    means = shapes_of(sides, 6)
    nearest = overlap(sides, means).argmax(1)
    for number, mean in enumerate(means):
        assert sides[nearest == number].mean(0) == pytest.approx(mean)
    assert (np.diff(means.prod(1)) > 0).all()


@pytest.mark.parametrize(
    ("ratio", "size"), [(1, (320, 320)), (4 / 3, (288, 384)), (3 / 4, (384, 288)), (1.5, (256, 384)), (2, (224, 448))]
)
def test_inputs_have_the_images_proportions(ratio, size):
    assert proportioned(ratio, 320 * 320, 230_400) == size


def test_inputs_grow_for_small_boxes_as_far_as_files_and_limit_go():
    shares = np.full((10, 2), 0.02)  # 6 pixels of 320, 10 of 480
    large = np.array([[960, 960]])
    assert input_size(large, shares, 8, 230_400) == (480, 480)
    assert input_size(large, shares * 4, 8, 230_400) == (320, 320)
    assert input_size(large, shares, 8, 102_400) == (320, 320), "the limit"
    assert input_size(np.array([[300, 300]]), shares, 8, 230_400) == (320, 320), "files have no more to show"
    assert input_size(large, shares / 2, 8, 10**6) == (640, 640)


@pytest.mark.parametrize(
    ("across", "maps", "extras"),
    [
        ([60] * 20, [C4], []),
        ([25] * 2 + [60] * 18, [C3, C4], []),
        ([25] * 1 + [60] * 39, [C4], []),  # one in forty does not decide
        ([60] * 10 + [200] * 10, [C4, C5], []),
        ([60] * 10 + [300] * 10, [C4, C5], [256]),
        ([5] * 20, [C3], []),
        ([100] * 20, [C5], []),
        ([4000] * 20, [C5], [256, 256]),
    ],
)
def test_maps_are_as_fine_and_as_coarse_as_needed(across, maps, extras):
    assert maps_for(FEATURES, np.array(across, float)) == (maps, extras)
    assert reductions_of(FEATURES, maps, extras)[len(maps) :] == [64, 128][: len(extras)]


def test_of_two_maps_at_a_stride_the_deeper_one_is_used():
    features = {**FEATURES, "c5": Feature(8, 16)}  # output_stride=16
    assert maps_for(features, np.full(20, 200.0)) == ([C5], [256])
    with pytest.raises(ValueError, match=r"has none of c3_expanded, .*, only p4"):
        maps_for({"p4": Feature(8, 16)}, np.full(20, 60.0))


def test_each_map_has_the_shapes_of_its_boxes():
    random = np.random.default_rng(1)
    sides = np.concatenate((np.full((30, 2), (24.0, 20)), np.full((30, 2), (60.0, 64))))
    corner = random.uniform(0, 200, sides.shape)
    boxes = np.concatenate((corner, corner + sides), 1)
    size = (288, 384)
    shapes = anchors_for(boxes, [8, 16], size, 0.5)
    assert shapes == [[[round(24 / 288, 4), round(20 / 288, 4)]], [[round(60 / 288, 4), round(64 / 288, 4)]]]
    assert reached(boxes, shapes, [8, 16], size, 0.5) > 0.95
    assert reached(boxes, anchors.paper(2).shapes, [16, 32], size, 0.5) < 0.8
    made = anchors.listed(2, shapes=shapes)
    assert made.per_cell == [1, 1]
    with pytest.raises(ValueError, match="lists for 2 maps, of 3"):
        anchors.listed(3, shapes=shapes)


def test_more_shapes_are_taken_only_if_they_reach_more():
    random = np.random.default_rng(0)
    sides = np.array([(26, 26)] * 90 + [(120, 28)] * 5 + [(3, 3)] * 5)
    corner = random.uniform(60, 260, sides.shape) - sides / 2
    boxes = np.concatenate((corner, corner + sides), 1)
    share = {n: reached(boxes, clustered(boxes, [8, 16], n, 320), [8, 16], (320, 320), 0.5) for n in (3, 6)}
    assert share[3] == 0.95 and share[6] == 0.9, "six shapes have too few boxes: squares replace the wide one"
    assert reached(boxes, anchors_for(boxes, [8, 16], (320, 320), 0.5), [8, 16], (320, 320), 0.5) == 0.95


def test_a_map_without_boxes_of_its_own_has_squares():
    boxes = np.array([[10.0, 10, 34, 34]]).repeat(30, 0)
    small, large = clustered(boxes, [8, 16], 3, 320)
    assert small == [[0.075, 0.075]] and [width for width, _ in large] == pytest.approx([0.125, 0.2236, 0.4], abs=1e-4)
    twice = clustered(boxes, [8, 16, 16], 3, 320)
    assert [len(level) for level in twice] == [1, 3, 3] and twice[1] + twice[2] == sorted(twice[1] + twice[2])


def test_few_images_are_seen_more_often():
    assert [epochs_for(images) for images in (1, 80, 150, 205, 10_000)] == [120, 120, 90, 60, 60]
