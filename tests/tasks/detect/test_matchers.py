"""ATSS and task-aligned matching: by hand, and against the papers' algorithms in NumPy, box by box."""

import numpy as np
import pytest
import torch
from lightning.pytorch.plugins.precision import HalfPrecision

from heads import anchors as shapes
from heads.boxes import decode
from tasks.detect.assign import assign
from tasks.detect.matchers import ATSS, ByIoU, Scene, TaskAligned

SIZE, CELLS = (160, 160), [(10, 10), (5, 5), (3, 3)]
ANCHORS = shapes.paper(3).boxes(CELLS, SIZE, "cpu")
MAPS = [(100, 3), (25, 6), (9, 6)]
CLASSES = 4
THREE = torch.tensor([[0.0, 0, 10, 10], [10, 0, 20, 10], [20, 0, 30, 10]])  # one map of three cells


def truths(images=5, most=9):
    """Boxes (N, T, 5); the first image has none, and what pads the others is no number."""
    boxes = torch.full((images, most, 5), float("nan"))
    boxes[..., 4] = -1
    for image in range(1, images):
        count = int(torch.randint(1, most + 1, ()))
        corner = torch.rand(count, 2) * 100
        boxes[image, :count, :4] = torch.cat((corner, corner + 5 + 50 * torch.rand(count, 2)), 1)
        boxes[image, :count, 4] = torch.randint(0, CLASSES, (count,)).float()
    return boxes


def scene(boxes, anchors=ANCHORS, maps=MAPS, scores=None, predicted=None):
    return Scene(boxes, anchors, maps, 0.5, lambda: (scores, predicted))


def iou(one, other):
    """Of (4) and (A, 4)."""
    low, high = np.maximum(one[:2], other[:, :2]), np.minimum(one[2:], other[:, 2:])
    shared = (high - low).clip(0).prod(1)
    return shared / ((one[2:] - one[:2]).prod() + (other[:, 2:] - other[:, :2]).prod(1) - shared)


def holds(box, anchors):
    """Which anchors have their centre inside a box."""
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    return ((centres > box[:2]) & (centres < box[2:])).all(1)


def atss(boxes, anchors, maps, topk):
    """Matches (A) of one image's boxes (K, 4): algorithm 1 of the paper, line by line."""
    matched, best = np.full(len(anchors), -1), np.zeros(len(anchors))
    for number, box in enumerate(boxes):
        candidates, start = [], 0
        for cells, per_cell in maps:
            level = anchors[start : start + cells * per_cell]
            centres = (level[:, :2] + level[:, 2:]) / 2
            away = np.hypot(*(centres - (box[:2] + box[2:]) / 2).T).round(3)
            candidates += [start + i for i in np.argsort(away, kind="stable")[: topk * per_cell]]
            start += len(level)
        overlaps = iou(box, anchors)
        threshold = overlaps[candidates].mean() + overlaps[candidates].std(ddof=1)
        for anchor in candidates:
            if overlaps[anchor] >= threshold and holds(box, anchors)[anchor] and overlaps[anchor] > best[anchor]:
                matched[anchor], best[anchor] = number, overlaps[anchor]
    return matched


def task_aligned(boxes, labels, anchors, scores, predicted, alpha, beta, topk):
    """Matches (A) and quality (A) of one image's boxes (K, 4), as in section 3.2 of the paper."""
    matched, best = np.full(len(anchors), -1), np.zeros(len(anchors))
    aligned = [
        scores[:, label] ** alpha * iou(box, predicted) ** beta for box, label in zip(boxes, labels, strict=True)
    ]
    for number, box in enumerate(boxes):
        allowed = np.flatnonzero(holds(box, anchors))
        for anchor in allowed[np.argsort(-aligned[number][allowed])][:topk]:
            if iou(box, predicted)[anchor] > best[anchor]:
                matched[anchor], best[anchor] = number, iou(box, predicted)[anchor]
    quality = np.zeros(len(anchors))
    for number, box in enumerate(boxes):
        own = np.flatnonzero(matched == number)
        if len(own):
            quality[own] = aligned[number][own] / aligned[number][own].max() * iou(box, predicted)[own].max()
    return matched, quality


def test_atss_by_hand():
    boxes = torch.tensor([[[0.0, 0, 10, 10, 1], [12, 0, 24, 10, 0], [0, 0, 0, 0, -1]]])
    # second box: IoU 0, 4/7, 2/9 with mean 0.265 and deviation 0.288: from 0.553 on
    assert ATSS(topk=3)(scene(boxes, THREE, ())).boxes.tolist() == [[0, 1, -1]]
    assert ATSS(topk=1)(scene(boxes, THREE, ())).boxes.tolist() == [[0, 1, -1]]  # no deviation


def test_boxes_without_a_centre_of_an_anchor_learn_if_they_claim_one():
    boxes = torch.tensor([[[8.0, 4, 13, 6, 1]]])  # between the centres at 5 and 15
    scores = torch.full((1, 3, 2), 0.5)
    for matcher in (ATSS, TaskAligned):
        given = scene(boxes, THREE, (), scores, THREE[None])
        assert matcher()(given).boxes.tolist() == [[-1, -1, -1]]
        assert matcher(claim=True)(given).boxes.tolist() == [[-1, 0, -1]]


def test_task_aligned_by_hand():
    boxes = torch.tensor([[[0.0, 0, 10, 10, 0], [12, 0, 30, 10, 1]]])
    scores = torch.tensor([[[0.5, 0.1], [0.9, 0.2], [0.1, 0.8]]])
    given = scene(boxes, THREE, (), scores, THREE[None])
    matched, quality = TaskAligned(alpha=1, beta=2, topk=13)(given)
    assert matched.tolist() == [[0, 1, 1]]
    # second box: IoU 0.4 and 5/9, alignment 0.2 · 0.4² = 0.032 and 0.8 · (5/9)² = 0.247
    assert quality[0].tolist() == pytest.approx([1, 0.032 / (0.8 * 25 / 81) * 5 / 9, 5 / 9])
    matched, quality = TaskAligned(alpha=1, beta=2, topk=1)(given)
    assert matched.tolist() == [[0, -1, 1]] and quality[0].tolist() == pytest.approx([1, 0, 5 / 9])


@pytest.mark.parametrize("topk", [1, 4, 9, 400])
def test_atss_is_the_papers(topk):
    torch.manual_seed(topk)
    boxes = truths()
    matched, quality = ATSS(topk=topk)(scene(boxes))
    assert quality is None and (matched[0] == -1).all()
    for image, of_image in zip(boxes, matched, strict=True):
        real = image[image[:, 4] >= 0, :4].double().numpy()
        assert of_image.tolist() == atss(real, ANCHORS.double().numpy(), MAPS, topk).tolist()
    assert (matched >= 0).any()


@pytest.mark.parametrize(("alpha", "beta", "topk"), [(1, 6, 13), (0.5, 2, 3), (0, 1, 1)])
def test_task_aligned_is_the_papers(alpha, beta, topk):
    torch.manual_seed(topk)
    boxes = truths()
    scores = torch.rand(len(boxes), len(ANCHORS), CLASSES)
    predicted = decode(torch.randn(len(boxes), len(ANCHORS), 4), ANCHORS)
    matched, quality = TaskAligned(alpha=alpha, beta=beta, topk=topk)(scene(boxes, scores=scores, predicted=predicted))
    assert (matched[0] == -1).all() and not quality[0].any()
    for number, image in enumerate(boxes):
        real = image[image[:, 4] >= 0].double().numpy()
        of_image = (array.double().numpy() for array in (ANCHORS, scores[number], predicted[number]))
        expected, wanted = task_aligned(real[:, :4], real[:, 4].astype(int), *of_image, alpha, beta, topk)
        assert matched[number].tolist() == expected.tolist()
        assert quality[number].numpy() == pytest.approx(wanted, abs=1e-5)
    assert (matched >= 0).any() and quality.max() <= 1


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_matches_in_half_precision_are_those_in_float32(precision):
    torch.manual_seed(0)
    half = HalfPrecision(precision)
    boxes = truths().nan_to_num().round()
    scores, predicted = torch.rand(len(boxes), len(ANCHORS), CLASSES), ANCHORS.expand(len(boxes), -1, -1)
    for matcher in (ATSS(claim=True), TaskAligned(claim=True)):
        wanted = matcher(scene(boxes, scores=scores, predicted=predicted))
        with half.train_step_context():
            found = matcher(scene(half.convert_input(boxes), scores=scores, predicted=predicted))
        assert torch.equal(found.boxes, wanted.boxes)


def test_the_rule_by_iou_is_the_one_of_before():
    torch.manual_seed(0)
    boxes = truths()
    assert torch.equal(ByIoU()(scene(boxes)).boxes, assign(boxes, ANCHORS, 0.5))


@pytest.mark.parametrize("matcher", [ByIoU(), ATSS(claim=True), TaskAligned(claim=True)])
def test_matchers_ask_the_device_for_no_number(matcher):
    torch.manual_seed(0)
    boxes = truths()
    scores, predicted = torch.rand(len(boxes), len(ANCHORS), CLASSES), ANCHORS.expand(len(boxes), -1, -1)
    with torch.profiler.profile() as profile:
        matcher(scene(boxes, scores=scores, predicted=predicted))
    assert not {"aten::item", "aten::_local_scalar_dense", "aten::nonzero"} & {event.key for event in profile.events()}
