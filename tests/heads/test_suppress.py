"""Suppression of fixed shapes keeps what heads.select keeps."""

import pytest
import torch

from heads.boxes import Detections
from heads.select import Select
from heads.suppress import Rule, overlaps, select_fixed

SIZE = (60, 80)  # height, width
RULES = {
    "ordinary": {"threshold": 0.05, "overlap": 0.5, "per_class": 300, "detections": 50},
    "few of each class": {"threshold": 0.0, "overlap": 0.5, "per_class": 7, "detections": 60},
    "few of all": {"threshold": 0.2, "overlap": 0.3, "per_class": 300, "detections": 5},
    "nothing overlaps enough": {"threshold": 0.3, "overlap": 1.0, "per_class": 300, "detections": 40},
}


def scene(seed: int, images: int = 2, anchors: int = 120, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Scores (N, A, C), no two alike, and boxes (N, A, 4) inside images of SIZE."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randperm(images * anchors * classes, generator=generator).view(images, anchors, classes)
    corners = torch.rand(images, anchors, 2, 2, generator=generator) * torch.tensor([SIZE[1], SIZE[0]])
    return scores / scores.numel(), torch.cat((corners.amin(2), corners.amax(2)), 2)


def rows(found: Detections, image: int) -> tuple[torch.Tensor, ...]:
    boxes, scores, labels = found.of(image)
    return boxes, scores, labels.long()


def assert_same(scores: torch.Tensor, boxes: torch.Tensor, rule: dict) -> list[int]:
    """Both keep the same, in the same order; returns how many of each image."""
    expected = Select(**rule).of_boxes(scores, boxes, SIZE)
    found = select_fixed(scores, boxes, Rule(**rule))
    assert found.labels.dtype == torch.int32
    for image in range(len(scores)):
        for ours, theirs in zip(rows(found, image), rows(expected, image), strict=True):
            assert torch.equal(ours, theirs)
    return [len(found.of(image)[1]) for image in range(len(scores))]


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_same_boxes_are_kept(rule, seed):
    counts = assert_same(*scene(seed), rule)
    assert min(counts) > 0 and max(counts) <= rule["detections"]


def test_there_are_no_more_rows_than_candidates():
    scores, boxes = scene(3, anchors=4)
    rule = {"threshold": 0.0, "overlap": 0.5, "per_class": 2, "detections": 50}
    found = select_fixed(scores, boxes, Rule(**rule))
    assert found.boxes.shape == (2, 2 * 3, 4) and found.scores.shape == found.labels.shape == (2, 6)
    assert_same(scores, boxes, rule)


def test_what_is_empty_is_marked():
    scores, boxes = scene(4)
    rule = {"threshold": 0.99, "overlap": 0.5, "per_class": 300, "detections": 30}
    scores[1] *= 0.5
    found = select_fixed(scores, boxes, Rule(**rule))
    count = int((scores[0] > 0.99).sum())
    assert count > 0 and assert_same(scores, boxes, rule)[1] == 0
    assert found.boxes.shape == (2, 30, 4)
    assert (found.labels[1] == -1).all() and not found.scores[1].any() and not found.boxes[1].any()


def test_a_score_at_the_threshold_is_not_above_it():
    boxes = torch.tensor([[[0.0, 0, 9, 9], [20, 20, 30, 30]]])
    scores = torch.tensor([[[0.5], [0.25]]])
    found = select_fixed(scores, boxes, Rule(threshold=0.25, overlap=0.5, per_class=9, detections=9))
    assert found.labels.tolist() == [[0, -1]]


def test_equal_scores_of_boxes_that_lie_apart_are_all_kept():
    boxes = torch.tensor([[[10.0 * k, 0, 10 * k + 5, 5] for k in range(6)]])
    scores = torch.full((1, 6, 2), 0.5)
    found = select_fixed(scores, boxes, Rule(threshold=0.1, overlap=0.5, per_class=9, detections=20))
    kept, _, labels = rows(found, 0)
    assert {(int(box[0]), int(label)) for box, label in zip(kept, labels, strict=True)} == {
        (10 * k, label) for k in range(6) for label in range(2)
    }


@pytest.mark.parametrize("length", [2, 5, 24])
def test_a_chain_of_overlaps_is_settled_as_one_after_the_other(length):
    """Each box overlaps its neighbours alone: every other one stands."""
    boxes = torch.tensor([[[4.0 * k, 0, 4 * k + 8, 8] for k in range(length)]])  # IoU 1/3 with the next
    scores = torch.linspace(0.9, 0.1, length).view(1, -1, 1)
    rule = {"threshold": 0.0, "overlap": 0.3, "per_class": 300, "detections": 100}
    assert assert_same(scores, boxes, rule) == [(length + 1) // 2]


def test_classes_do_not_suppress_each_other():
    boxes = torch.tensor([[[0.0, 0, 9, 9], [0, 0, 9, 9]]])
    scores = torch.tensor([[[0.9, 0.8], [0.7, 0.6]]])
    found = select_fixed(scores, boxes, Rule(threshold=0.1, overlap=0.5, per_class=9, detections=4))
    assert found.labels.tolist() == [[0, 1, -1, -1]]
    torch.testing.assert_close(found.scores, torch.tensor([[0.9, 0.8, 0, 0]]))


def test_overlaps_by_hand():
    boxes = torch.tensor(
        [[[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 20, 30, 30], [3, 3, 3, 8], [3, 3, 3, 3]]]
    )  # the last two have no area
    expected = torch.zeros(5, 5)
    expected[0, 1] = expected[1, 0] = 1 / 3
    expected.diagonal()[:3] = 1
    torch.testing.assert_close(overlaps(boxes)[0], expected)


def test_boxes_without_area_suppress_nothing():
    boxes = torch.tensor([[[3.0, 3, 3, 8], [3, 3, 3, 8], [0, 0, 10, 10]]])
    scores = torch.tensor([[[0.9], [0.8], [0.7]]])
    assert assert_same(scores, boxes, {"threshold": 0.1, "overlap": 0.0, "per_class": 9, "detections": 9}) == [3]
