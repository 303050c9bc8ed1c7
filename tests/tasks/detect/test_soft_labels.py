"""Quality focal and varifocal loss: the papers' equations in NumPy, anchor by anchor."""

import numpy as np
import pytest
import torch

from heads.boxes import decode
from heads.ssdlite import RawBoxes
from tasks.detect.matchers import TaskAligned
from tasks.detect.soft_labels import QualityFocalMultiBox, VarifocalMultiBox

ANCHORS = torch.tensor([[0.0, 0, 10, 10], [10, 0, 20, 10], [20, 0, 30, 10]])
BOXES = torch.tensor([[[0.0, 0, 10, 10, 0], [12, 0, 24, 10, 1]], [[0, 0, 0, 0, -1], [0, 0, 0, 0, -1]]])
MATCHED = {0: (0, 0), 1: (1, 1)}  # of the first image: anchor to box and class; the second image has no box
IOUS = {0: 1.0, 1: 4 / 7}  # of the anchors, which zero offsets decode to


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def quality_focal(x, y, beta=2):
    """Equation 2 of Li et al."""
    score = sigmoid(x)
    return -(abs(y - score) ** beta) * ((1 - y) * np.log(1 - score) + y * np.log(score))


def varifocal(x, q, alpha=0.75, gamma=2):
    """Equation 2 of Zhang et al."""
    score = sigmoid(x)
    if q > 0:
        return -q * (q * np.log(score) + (1 - q) * np.log(1 - score))
    return -alpha * score**gamma * np.log(1 - score)


def raw():
    torch.manual_seed(0)
    return torch.randn(2, 3, 3, requires_grad=True), torch.zeros(2, 3, 4, requires_grad=True)


@pytest.mark.parametrize(
    ("loss", "formula"), [(QualityFocalMultiBox(), quality_focal), (VarifocalMultiBox(), varifocal)]
)
def test_classes_learn_the_iou_of_their_boxes(loss, formula):
    logits, offsets = raw()
    terms = loss.terms(RawBoxes(logits, offsets, ()), ANCHORS, BOXES)
    targets = np.zeros((2, 3, 3))
    for anchor, (_, label) in MATCHED.items():
        targets[0, anchor, label + 1] = IOUS[anchor]
    each = [formula(x, y) for x, y in zip(logits.detach().double().numpy().ravel(), targets.ravel(), strict=True)]
    assert terms["classes"].item() == pytest.approx(sum(each) / 2, rel=1e-5)
    # GIoU of the second pair: IoU - (14 - 14) / 14, as the box around them is their union
    assert terms["boxes"].item() == pytest.approx(2.0 * (1 - 4 / 7) / 2, rel=1e-5)
    (gradient,) = torch.autograd.grad(terms["classes"], offsets, allow_unused=True)
    assert gradient is None or not gradient.any(), "the target is not trained"


@pytest.mark.parametrize(("loss", "formula"), [(QualityFocalMultiBox, quality_focal), (VarifocalMultiBox, varifocal)])
def test_matches_count_by_the_quality_that_their_matcher_says(loss, formula):
    logits, offsets = raw()
    wide = torch.tensor([[[0.0, 0, 10, 10, 0], [12, 0, 30, 10, 1]]]).expand(2, -1, -1)  # IoU 0.4 and 5/9
    with torch.no_grad():
        logits[..., 2] = torch.tensor([0.2, 0.2, 0.8]).logit()
    terms = loss(match=TaskAligned(beta=2.0)).terms(RawBoxes(logits, offsets, ()), ANCHORS, wide)
    quality = [1, 0.032 / (0.8 * 25 / 81) * 5 / 9, 5 / 9]
    targets = np.zeros((2, 3, 3))
    targets[:, 0, 1], targets[:, 1, 2], targets[:, 2, 2] = quality
    each = [formula(x, y) for x, y in zip(logits.detach().double().numpy().ravel(), targets.ravel(), strict=True)]
    assert terms["classes"].item() == pytest.approx(sum(each) / (2 * sum(quality)), rel=1e-5)
    boxes = (quality[1] * (1 - 0.4) + quality[2] * (1 - 5 / 9)) / sum(quality)
    assert terms["boxes"].item() == pytest.approx(2.0 * boxes, rel=1e-5)


@pytest.mark.parametrize("loss", [QualityFocalMultiBox, VarifocalMultiBox])
@pytest.mark.parametrize("match", [None, TaskAligned()])
def test_scores_are_pulled_towards_their_quality(loss, match):
    logits, offsets = raw()
    with torch.no_grad():
        logits.fill_(3.0)  # a score of 0.95: too high for the second box, and everywhere else
    terms = loss(match=match).terms(RawBoxes(logits, offsets, ()), ANCHORS, BOXES)
    (pull,) = torch.autograd.grad(terms["classes"], logits)
    assert pull[0, 0, 1] < 0 < pull[0, 1, 2] and (pull[1] > 0).all()


@pytest.mark.parametrize("loss", [QualityFocalMultiBox, VarifocalMultiBox])
@pytest.mark.parametrize("match", [None, TaskAligned()])
def test_images_without_boxes_learn_what_background_is(loss, match):
    logits, offsets = raw()
    terms = loss(match=match).terms(RawBoxes(logits, offsets, ()), ANCHORS, BOXES[1:].expand(2, -1, -1))
    terms["classes"].backward()
    assert terms["boxes"] == 0 and terms["classes"].isfinite() and (logits.grad > 0).all()


@pytest.mark.parametrize("loss", [QualityFocalMultiBox(), VarifocalMultiBox()])
def test_training_in_half_precision_is_near_float32(loss):
    logits, offsets = raw()
    wanted = loss(RawBoxes(logits, offsets, ()), ANCHORS, BOXES)
    found = loss(RawBoxes(logits.bfloat16(), offsets.bfloat16(), ()), ANCHORS, BOXES.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=0.02, atol=0)


@pytest.mark.parametrize("loss", [QualityFocalMultiBox(match=TaskAligned()), VarifocalMultiBox()])
def test_a_few_steps_find_the_boxes(loss):
    logits, offsets = (torch.full((2, 3, size), value, requires_grad=True) for size, value in ((3, -4.6), (4, 0.1)))
    optimizer = torch.optim.Adam([logits, offsets], 0.2)
    for _ in range(60):
        optimizer.zero_grad()
        loss(RawBoxes(logits, offsets, ()), ANCHORS, BOXES).backward()
        optimizer.step()
    scores = loss.scores(logits)
    assert scores[0, 0, 0] > 0.7 and scores[0, 1, 1] > 0.7 and scores[1].max() < 0.15
    torch.testing.assert_close(decode(offsets, ANCHORS)[0, 1], BOXES[0, 1, :4], atol=0.5, rtol=0)
