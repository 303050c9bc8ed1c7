"""What the gate takes for the same result: nearly equal values may decide otherwise, a wrong decoder may not."""

import numpy as np
import pytest

from tasks.classify.parity import same_class
from tasks.common.parity import TIES as OF_PRECISIONS
from tasks.deploy.decode import selected, upsampled
from tasks.detect.parity import BOX, SCORE, SHARE, SameBoxes, partners, same_selection
from tasks.detect.selection import Candidates
from tasks.segment.parity import Logits, same_pixels

SELECT = {"threshold": 0.001, "overlap": 0.55, "per_class": 300, "detections": 300}
TIES = OF_PRECISIONS["fp32"]


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


def candidates(boxes, scores, **changes):
    rule = SELECT | changes
    return Candidates(
        *(boxes, boxes, scores, rule["overlap"], rule["detections"]),
        threshold=rule["threshold"],
        per_class=rule["per_class"],
    )


def refused(agreement, precision: str = "fp32") -> set[str]:
    """Rows that do not hold."""
    wrong = {name for name, value in agreement.numbers.items() if value > SameBoxes.limits[name][precision]}
    return wrong | ({"set"} if agreement.same < SameBoxes.least[precision] * agreement.total else set())


@pytest.mark.parametrize("seed", range(4))
def test_nearly_equal_scores_may_keep_other_boxes(seed):
    boxes, scores = detector(seed)
    noise = np.random.default_rng(9).normal(0, 1e-6, scores.shape).astype(np.float32)
    ours, theirs = kept(boxes, scores), kept(boxes, scores + noise)
    found = partners(ours, theirs)
    assert found.same < 0.99 * found.total, "compared box by box, this good file would be refused"
    found = same_selection(theirs, candidates(boxes, scores))
    assert found.same == found.total == len(theirs["scores"]) and found.ties > 0
    exact = same_selection(ours, candidates(boxes, scores))
    assert exact == (len(ours["scores"]), len(ours["scores"]), 0, dict.fromkeys(SameBoxes.limits, 0))


@pytest.mark.parametrize("changes", [{"per_class": 50}, {"detections": 60}, {"threshold": 0.5}, {"overlap": 0.3}])
def test_every_part_of_the_rule_is_known(changes):
    boxes, scores = detector(spread=0.05)
    found = same_selection(kept(boxes, scores, **changes), candidates(boxes, scores, **changes))
    assert found.same == found.total and found.ties == 0
    assert "set" in refused(same_selection(kept(boxes, scores), candidates(boxes, scores, **changes)))
    assert "set" in refused(same_selection(kept(boxes, scores, **changes), candidates(boxes, scores)))


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
    """By half a pixel."""
    found = kept(boxes, scores)
    return found | {"boxes": found["boxes"] + np.float32(0.5)}


def less_sure(boxes, scores):
    found = kept(boxes, scores)
    return found | {"scores": found["scores"] * np.float32(0.55)}


def a_bit_less_sure(boxes, scores):
    found = kept(boxes, scores)
    return found | {"scores": found["scores"] * np.float32(0.999)}


def no_tail(boxes, scores):
    return kept(boxes, scores, threshold=0.5)


def a_little_later(boxes, scores):
    """Suppression at an overlap 0.005 above the rule's."""
    return kept(boxes, scores, overlap=SELECT["overlap"] + 0.005)


def shuffled(boxes, scores):
    return {key: values[::-1] for key, values in kept(boxes, scores).items()}


def one_lost(boxes, scores):
    return {key: np.delete(values, 7, 0) for key, values in kept(boxes, scores).items()}


def twice(boxes, scores):
    found = kept(boxes, scores)
    return {key: np.repeat(values[:80], 2, 0) for key, values in found.items()}


SABOTAGES = {
    **dict.fromkeys((unsuppressed, too_eager, too_lax, over_all_classes, worst_first, fewer, other_labels), "set"),
    **dict.fromkeys((twice, no_tail, a_little_later, shuffled, one_lost), "set"),
    moved: BOX,
    less_sure: SCORE,
    a_bit_less_sure: SCORE,
}


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_a_wrong_selection_is_seen(sabotage):
    boxes, scores = detector(spread=0.05)
    found = same_selection(sabotage(boxes, scores), candidates(boxes, scores))
    assert SABOTAGES[sabotage] in refused(found), found


def test_the_cut_at_the_end_is_no_fault():
    """The last box that has room, and one that is as good and has none."""
    boxes = np.array([[100 * n, 0, 100 * n + 50, 50] for n in range(301)], np.float32)
    scores = np.full((301, 1), 0.5, np.float32)
    theirs = kept(boxes[::-1], scores)
    assert same_selection(theirs, candidates(boxes, scores))[:3] == (300, 300, 0)
    scores[0] = 0.6  # no equal: it must be there
    assert "set" in refused(same_selection(theirs, candidates(boxes, scores)))


def test_small_scores_are_compared_as_shares_of_themselves():
    boxes = np.array([[100 * n, 0, 100 * n + 50, 50] for n in range(5)], np.float32)
    scores = np.float32([[0.9], [0.5], [0.01], [0.004], [0.002]])
    theirs = kept(boxes, scores)
    theirs["scores"] = theirs["scores"] * np.float32([1, 1, 1, 1, 1.02])
    found = same_selection(theirs, candidates(boxes, scores))
    assert refused(found) == {SHARE} and found.numbers[SCORE] < 5e-5


def test_boxes_are_compared_in_the_pixels_of_the_input():
    boxes = np.array([[100, 0, 150, 50]], np.float32)
    scores, moved_boxes = np.float32([[0.5]]), boxes + np.float32([0.2, 0, 0.2, 0])
    made_of = candidates(boxes, scores)._replace(scale=(4.0, 4.0))
    found = same_selection({"boxes": moved_boxes, "scores": scores[0], "labels": np.array([0])}, made_of)
    assert found.numbers[BOX] == pytest.approx(0.05, rel=1e-3)


def test_what_is_no_box_of_the_checkpoint():
    boxes, scores = np.array([[0, 0, 9, 9]], np.float32), np.float32([[0.5]])
    for change in ({"labels": np.array([1])}, {"boxes": boxes * np.nan}, {"scores": np.float32([np.nan])}):
        found = {"boxes": boxes, "scores": scores[0], "labels": np.array([0])} | change
        assert "set" in refused(same_selection(found, candidates(boxes, scores)))
    nothing = {"boxes": np.zeros((0, 4), np.float32), "scores": np.zeros(0), "labels": np.zeros(0, int)}
    assert "set" in refused(same_selection(nothing, candidates(boxes, scores)))
    assert not refused(same_selection(nothing, candidates(boxes, scores * 0)))


@pytest.mark.parametrize("size", [(40, 60), (20, 30)])
def test_labels_may_differ_where_their_logits_hardly_do(size):
    random = np.random.default_rng(0)
    logits = random.normal(size=(4, 10, 15)).astype(np.float32)
    logits[1] = logits[0] + random.normal(0, 1e-7, (10, 15)).astype(np.float32)
    other = logits + random.normal(0, 1e-6, logits.shape).astype(np.float32)
    ours, theirs = ({"labels": upsampled(each, size)} for each in (logits, other))
    pixels = size[0] * size[1]
    made_of = Logits(logits, size)
    assert same_pixels(ours, theirs, None, TIES).same < 0.99 * pixels
    found = same_pixels(ours, theirs, made_of, TIES)
    assert found.same == found.total == pixels and found.ties == (ours["labels"] != theirs["labels"]).sum() > 0
    for wrong in (2, 3, 255):
        changed = np.where(theirs["labels"] == 1, wrong, theirs["labels"]).astype(np.uint8)
        assert same_pixels(ours, {"labels": changed}, made_of, TIES).same < 0.99 * pixels
    assert same_pixels(ours, theirs, made_of, 0) == same_pixels(ours, theirs, None, 0)


def test_labels_at_another_size_than_the_photos():
    """Decoded labels are enlarged pixel by pixel: the logits of the pixel that was copied decide."""
    logits = np.random.default_rng(0).normal(size=(2, 5, 5)).astype(np.float32)
    logits[1, :, :3] = logits[0, :, :3]
    small = upsampled(logits, (10, 10))
    flipped = small.copy()
    flipped[:, :4] = 1 - flipped[:, :4]
    ours, theirs = ({"labels": each.repeat(3, 0).repeat(3, 1)} for each in (small, flipped))
    assert same_pixels(ours, theirs, Logits(logits, (10, 10)), TIES)[:2] == (900, 900)
    assert same_pixels(ours, {"labels": 1 - ours["labels"]}, Logits(logits, (10, 10)), TIES).same < 700


def test_a_class_may_win_by_a_hair():
    ours = {"logits": np.float32([3, 2.9999, 0])}
    assert same_class(ours, {"logits": np.float32([2.9999, 3, 0])}, TIES) == (1, 1, 1, {})
    assert same_class(ours, {"logits": np.float32([2.9, 3, 0])}, TIES) == (0, 1, 0, {})
    assert same_class(ours, {"logits": np.float32([3, np.nan, 0])}, TIES) == (0, 1, 0, {})
