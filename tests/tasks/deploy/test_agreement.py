"""What the gate takes for the same result: nearly equal values may decide otherwise, a wrong decoder may not."""

import numpy as np
import pytest

from tasks.classify.parity import same_class
from tasks.deploy.decode import selected, upsampled
from tasks.deploy.parity import LIMITS
from tasks.detect.parity import Candidates, SameBoxes, same_boxes
from tasks.segment.parity import Logits, same_pixels

SELECT = {"threshold": 0.001, "overlap": 0.55, "per_class": 300, "detections": 300}
TIES = LIMITS["fp32"].ties


def detector(seed: int = 0, spread: float = 1e-6) -> tuple[np.ndarray, np.ndarray]:
    """Boxes (A, 4) and scores (A, C) as after a short training: every anchor is nearly as sure as its neighbours."""
    random = np.random.default_rng(seed)
    centres = random.uniform(20, 120, (400, 2))
    sides = random.uniform(20, 60, (400, 2))
    boxes = np.concatenate((centres - sides / 2, centres + sides / 2), 1).astype(np.float32)
    levels = random.choice([0.35, 0.4, 0.5], (400, 3))
    return boxes, (levels + random.normal(0, spread, (400, 3))).astype(np.float32)


def kept(boxes, scores, **changes):
    """What a decoder keeps of it."""
    found = selected(boxes, scores, SELECT | changes)
    return dict(zip(("boxes", "scores", "labels"), found, strict=True))


def candidates(boxes, scores):
    return Candidates(boxes, boxes, scores, SELECT["overlap"], SELECT["detections"])


@pytest.mark.parametrize("seed", range(4))
def test_nearly_equal_scores_may_keep_other_boxes(seed):
    boxes, scores = detector(seed)
    noise = np.random.default_rng(9).normal(0, 1e-6, scores.shape).astype(np.float32)
    ours, theirs = kept(boxes, scores), kept(boxes, scores + noise)
    found, count = same_boxes(ours, theirs, None, TIES)
    assert found / count < SameBoxes.least["fp32"], "compared box by box, this good file would be refused"
    assert same_boxes(ours, theirs, candidates(boxes, scores), TIES) == (count, count)


def unsuppressed(boxes, scores):
    return kept(boxes, scores, overlap=1.0)


def too_eager(boxes, scores):
    return kept(boxes, scores, overlap=0.3)


def too_lax(boxes, scores):
    return kept(boxes, scores, overlap=0.7)


def over_all_classes(boxes, scores):
    """Each anchor's best class alone, and suppression that does not ask for the class."""
    best = scores.max(1, keepdims=True)
    found = kept(boxes, best)
    anchors = [int(np.flatnonzero((boxes == box).all(1))[0]) for box in found["boxes"]]
    return found | {"labels": scores[anchors].argmax(1)}


def worst_first(boxes, scores):
    """The lower score suppresses the higher."""
    found = kept(boxes, np.where(scores > 0.1, 0.9 - scores, 0))
    return found | {"scores": np.float32(0.9) - found["scores"]}


def fewer(boxes, scores):
    return kept(boxes, scores, detections=100)


def other_labels(boxes, scores):
    found = kept(boxes, scores)
    return found | {"labels": (found["labels"] + 1) % 3}


def moved(boxes, scores):
    found = kept(boxes, scores)
    return found | {"boxes": found["boxes"] + np.float32(3)}


def twice(boxes, scores):
    found = kept(boxes, scores)
    return {key: np.repeat(values[:80], 2, 0) for key, values in found.items()}


SABOTAGES = (unsuppressed, too_eager, too_lax, over_all_classes, worst_first, fewer, other_labels, moved, twice)


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_wrong_suppression_is_seen(sabotage):
    for spread in (1e-6, 0.05):
        boxes, scores = detector(spread=spread)
        ours, theirs = kept(boxes, scores), sabotage(boxes, scores)
        found, count = same_boxes(ours, theirs, candidates(boxes, scores), TIES)
        if sabotage is worst_first and spread == 1e-6:
            continue  # of equals the last is as good as the first; the other spread has no equals
        assert found / count < SameBoxes.least["fp32"], (spread, found, count)


def test_the_cut_at_the_end_is_no_fault():
    """The last box that has room, and one that is as good and has none."""
    boxes = np.array([[100 * n, 0, 100 * n + 50, 50] for n in range(301)], np.float32)
    scores = np.full((301, 1), 0.5, np.float32)
    ours, theirs = kept(boxes, scores), kept(boxes[::-1], scores)
    assert len(ours["scores"]) == len(theirs["scores"]) == 300
    assert same_boxes(ours, theirs, candidates(boxes, scores), TIES) == (600, 600)
    assert same_boxes(ours, theirs, None, TIES) == (598, 600)
    scores[0] = 0.6  # no equal: it must be there
    assert same_boxes(kept(boxes, scores), theirs, candidates(boxes, scores), TIES)[0] < 600


@pytest.mark.parametrize("size", [(40, 60), (20, 30)])
def test_labels_may_differ_where_their_logits_hardly_do(size):
    random = np.random.default_rng(0)
    logits = random.normal(size=(4, 10, 15)).astype(np.float32)
    logits[1] = logits[0] + random.normal(0, 1e-7, (10, 15)).astype(np.float32)
    other = logits + random.normal(0, 1e-6, logits.shape).astype(np.float32)
    ours, theirs = ({"labels": upsampled(each, size)} for each in (logits, other))
    pixels = size[0] * size[1]
    made_of = Logits(logits, size)
    assert same_pixels(ours, theirs, None, TIES)[0] < 0.99 * pixels
    assert same_pixels(ours, theirs, made_of, TIES) == (pixels, pixels)
    for wrong in (2, 3, 255):
        changed = np.where(theirs["labels"] == 1, wrong, theirs["labels"]).astype(np.uint8)
        assert same_pixels(ours, {"labels": changed}, made_of, TIES)[0] < 0.99 * pixels
    assert same_pixels(ours, theirs, made_of, 0) == same_pixels(ours, theirs, None, 0)


def test_labels_at_another_size_than_the_photos():
    """Decoded labels are enlarged pixel by pixel: the logits of the pixel that was copied decide."""
    logits = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    logits[1, :, :3] = logits[0, :, :3]
    small = upsampled(logits, (10, 10))
    flipped = small.copy()
    flipped[:, :4] = 1 - flipped[:, :4]
    ours, theirs = ({"labels": each.repeat(3, 0).repeat(3, 1)} for each in (small, flipped))
    assert same_pixels(ours, theirs, Logits(logits, (10, 10)), TIES) == (900, 900)
    assert same_pixels(ours, {"labels": 1 - ours["labels"]}, Logits(logits, (10, 10)), TIES)[0] < 700


def test_a_class_may_win_by_a_hair():
    ours = {"logits": np.float32([3, 2.9999, 0])}
    assert same_class(ours, {"logits": np.float32([2.9999, 3, 0])}, TIES) == (1, 1)
    assert same_class(ours, {"logits": np.float32([2.9, 3, 0])}, TIES) == (0, 1)
    assert same_class(ours, {"logits": np.float32([3, np.nan, 0])}, TIES) == (0, 1)
