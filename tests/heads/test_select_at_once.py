"""The selection of a whole batch is that of its images one by one, to the bit, and waits for nothing."""

import pytest
import torch

from heads.boxes import Detections, clip
from heads.select import Select
from heads.select_at_once import select_at_once
from tests.waiting import NoWaiting


def scene(images=3, anchors=400, classes=5, seed=0, grid=True):
    """Crowded boxes, with equal scores, boxes without area and corners on whole pixels, on which rounding decides."""
    generator = torch.Generator().manual_seed(seed)
    corner, side = (torch.rand(images, anchors, 2, generator=generator) * most for most in (60, 30))
    if grid:
        corner, side = corner.round(), side.round()
    scores = torch.rand(images, anchors, classes, generator=generator)
    scores = (scores * 40).round() / 40 if grid else scores
    return scores, torch.cat((corner, corner + side), 2).clamp(max=80)


def one_by_one(select, scores, boxes):
    """By the CPU's path, padded like the other."""
    found = select.of_boxes(scores, boxes, (80, 80))
    return [found.of(row) for row in range(len(scores))]


def assert_same(found: Detections, expected, rows=None):
    for row in range(len(expected)) if rows is None else rows:
        for ours, theirs in zip(found.of(row), expected[row], strict=True):
            assert torch.equal(ours, theirs), row


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("grid", [True, False])
@pytest.mark.parametrize(
    "options",
    [
        {"detections": 20},
        {"detections": 300, "threshold": 0.7},
        {"detections": 40, "per_class": 7, "overlap": 0.3},
        {"detections": 10, "overlap": 0.0, "threshold": 0.0},
        {"detections": 5, "threshold": 1.0},
    ],
)
def test_it_is_the_selection_of_each_image(options, seed, grid):
    select, (scores, boxes) = Select(**options), scene(seed=seed, grid=grid)
    found, sound = select_at_once(scores, boxes, select.rule, select.limit)
    assert_same(found, one_by_one(select, scores, boxes), sound.nonzero()[:, 0].tolist())
    assert_same(select.at_once(scores, boxes, (80, 80)), one_by_one(select, scores, boxes))


def test_most_images_need_no_second_look():
    sound = [select_at_once(*scene(seed=seed, grid=False), Select(detections=20).rule, 0.55).sound for seed in range(5)]
    assert torch.cat(sound).all()


def test_a_chain_longer_than_the_rounds_is_selected_by_itself():
    select, count = Select(overlap=0.3), 60
    left = 4.0 * torch.arange(count)
    boxes = torch.stack((left, torch.zeros(count), left + 10, torch.full((count,), 10.0)), 1)[None]
    scores = torch.linspace(0.9, 0.2, count)[None, :, None]
    assert not select_at_once(scores, boxes, select.rule, select.limit).sound.any()
    assert_same(select.at_once(scores, boxes, (10, 300)), one_by_one(select, scores, boxes))


def test_numbers_that_are_none_are_never_chosen():
    select, (scores, boxes) = Select(detections=20), scene()
    scores[0, ::3] = torch.nan
    assert_same(select.at_once(scores, boxes, (80, 80)), one_by_one(select, scores, boxes))


def test_it_waits_for_nothing():
    scores, boxes = (values.to("meta") for values in scene())
    with NoWaiting():
        found, sound = select_at_once(scores, clip(boxes, (50, 60)), Select().rule, 0.55)
    assert found.boxes.shape == (3, 300, 4) and sound.shape == (3,)


def test_clipping_is_the_same_elsewhere(monkeypatch):
    boxes = torch.tensor([[[-5.0, 3.0, 70.0, 99.0], [10.0, -1.0, 20.0, 49.0]]])
    here = clip(boxes, (50, 60))
    monkeypatch.setattr(torch.Tensor, "device", torch.device("meta"))
    assert torch.equal(clip(boxes, (50, 60)), here) and here.tolist()[0][0] == [0, 3, 60, 50]
