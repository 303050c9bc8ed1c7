"""Best, median and worst images: how they are judged, chosen and drawn."""

import pickle

import numpy as np
import pytest
import torch

from heads.boxes import Detections
from tasks.common.annotations import Annotations
from tasks.detect.draw import colour_of
from tasks.detect.gallery import SPREAD, BestMedianWorst
from tasks.detect.quality import match

NAMES = ["cell", "platelet"]
SQUARE, OTHER = (10, 10, 30, 30), (50, 40, 70, 60)  # xyxy


def annotations(boxes=(), labels=None, crowd=None):
    boxes = np.array(boxes, float).reshape(-1, 4)
    boxes[:, 2:] -= boxes[:, :2]
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels)
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd)
    return Annotations(1, 80, 100, boxes, labels, boxes[:, 2] * boxes[:, 3], crowd)


def detections(rows):
    """Rows of (box, score, label), filled up to ten."""
    filled = [*rows, *[((0, 0, 0, 0), 0.0, -1)] * (10 - len(rows))]
    boxes, scores, labels = zip(*filled, strict=True)
    return Detections(torch.tensor(boxes).float()[None], torch.tensor(scores)[None], torch.tensor(labels)[None])


def scored(gallery, cases):
    """Add (number, annotations, found); an image's grey tells its number."""
    for number, truth, found in cases:
        image = torch.full((1, 3, 80, 100), 2 * number, dtype=torch.uint8)
        batch = {"image": image, "annotations": [truth], "name": [f"{number}.jpg"], "index": [number]}
        gallery.add(batch, detections(found))
    return gallery


def drawn(gallery, *others):
    kept = pickle.loads(pickle.dumps([entry for some in (gallery, *others) for entry in some.kept]))
    return dict(gallery.draw(kept))


def number_of(picture):
    """Which image a picture of `scored` shows: its grey in the lower left corner."""
    return round(np.asarray(picture)[350, 12, 0] / 2)


def numbers(pictures):
    return {name: number_of(picture) for name, picture in pictures.items()}


def case(number):
    """An image with `number` right boxes of ten."""
    truth = [(10 * k, 10, 10 * k + 8, 18) for k in range(10)]
    return number, annotations(truth), [(box, 0.9, 0) for box in truth[:number]]


def judged(found, truth, labels=None, crowd=None):
    """Quality and errors; found are (box, score, label)."""
    truth = np.array(truth, float).reshape(-1, 4)
    boxes = np.array([box for box, _, _ in found], float).reshape(-1, 4)
    matches = match(
        boxes,
        np.array([label for _, _, label in found], np.int64),
        np.array([score for _, score, _ in found], float),
        truth,
        np.zeros(len(truth), np.int64) if labels is None else np.array(labels),
        np.zeros(len(truth), bool) if crowd is None else np.array(crowd),
    )
    return matches.quality(), matches.wrong.tolist(), matches.missed.tolist()


def test_quality_of_hand_made_cases():
    assert judged([], []) == (1.0, [], [])
    assert judged([], [SQUARE]) == (0.0, [], [True])
    assert judged([(SQUARE, 0.9, 0)], []) == (0.0, [True], [])
    assert judged([(SQUARE, 0.9, 0)], [SQUARE]) == (1.0, [False], [False])
    assert judged([(SQUARE, 0.9, 1)], [SQUARE]) == (0.0, [True], [True])  # another class
    assert judged([(SQUARE, 0.9, 0)], [SQUARE, OTHER]) == (pytest.approx(2 / 3), [False], [False, True])
    assert judged([((10, 10, 30, 20), 0.9, 0)], [SQUARE])[0] == 1.0  # exactly one half is near enough
    assert judged([((10, 10, 30, 19), 0.9, 0)], [SQUARE])[0] == 0.0


def test_of_two_on_one_truth_the_best_scored_is_right():
    assert judged([(SQUARE, 0.5, 0), ((10, 10, 30, 28), 0.8, 0)], [SQUARE]) == (
        pytest.approx(2 / 3),
        [True, False],
        [False],
    )


def test_crowds_are_neither_missed_nor_make_boxes_wrong():
    crowd = (0, 0, 100, 80)
    assert judged([], [crowd], crowd=[True]) == (1.0, [], [False])
    assert judged([(SQUARE, 0.9, 0), (OTHER, 0.8, 1)], [crowd], crowd=[True])[1] == [False, True]


def test_order_of_best_median_and_worst():
    # F1 grows with the number of right boxes out of ten: 0, 2/11, 4/12, 6/13
    cases = [case(number) for number in (2, 0, 3, 1)]
    assert numbers(drawn(scored(BestMedianWorst(3, range(4), NAMES), cases))) == {
        "best_1": 3,
        "median_1": 2,
        "worst_1": 0,
    }


@pytest.mark.parametrize("count, images", [(12, 1), (12, 2), (12, 4), (12, 7), (3, 30), (12, 100)])
def test_no_picture_twice(count, images):
    cases = [(number, annotations([SQUARE]), [(SQUARE, 0.9, number % 2)]) for number in range(images)]
    shown = list(numbers(drawn(scored(BestMedianWorst(count, range(images), NAMES), cases))).values())
    assert len(shown) == len(set(shown)) == min(count, images)


def test_ties_go_by_the_number_in_the_data_set_whatever_the_order():
    cases = [(number, annotations([SQUARE]), [(SQUARE, 0.9, 0)]) for number in range(9)]
    forth, back = (drawn(scored(BestMedianWorst(9, range(9), NAMES), some)) for some in (cases, cases[::-1]))
    assert numbers(forth) == numbers(back)
    assert [number_of(forth[f"best_{k}"]) for k in (1, 2, 3)] == [0, 1, 2]


@pytest.mark.parametrize("images", [5, 100])
def test_two_processes_draw_what_one_draws(images):
    random = np.random.default_rng(0)
    cases = [(n, annotations([SQUARE, OTHER]), [(SQUARE, 0.9, int(random.integers(2)))]) for n in range(images)]
    one = drawn(scored(BestMedianWorst(6, range(images), NAMES), cases))
    first, second = (scored(BestMedianWorst(6, range(images), NAMES), some) for some in (cases[::2], cases[1::2]))
    two = drawn(first, second)
    assert list(one) == list(two)
    assert all((np.asarray(one[name]) == np.asarray(two[name])).all() for name in one)


def test_memory_is_bounded():
    cases = [(number, annotations([SQUARE]), [(SQUARE, 0.9, number % 2)]) for number in range(120)]
    gallery = scored(BestMedianWorst(6, range(120), NAMES), cases)
    assert len(gallery.best) == len(gallery.worst) == 2
    assert len(gallery.spread) == SPREAD


def test_images_of_a_mixture_are_numbered_among_all_of_it():
    numbers_of = [*range(20, 120), *range(300, 400)]
    gallery = BestMedianWorst(6, numbers_of, NAMES)
    assert len(gallery.wanted) == SPREAD and gallery.wanted <= set(numbers_of)
    assert sum(number < 200 for number in gallery.wanted) == SPREAD / 2
    cases = [(number, annotations([SQUARE]), [(SQUARE, 0.9, 0)]) for number in (20, 23, 26, 119)]
    kept = scored(BestMedianWorst(3, [20, 23, 26, 119], NAMES), cases).spread
    assert [shown.number for shown in kept] == [20, 23, 26, 119]


def test_images_with_nothing_in_them_come_last_among_the_best():
    cases = [(0, annotations(), []), case(1), (2, annotations(), []), case(3), case(4)]
    shown = numbers(drawn(scored(BestMedianWorst(6, range(5), NAMES), cases)))
    assert (shown["best_1"], shown["best_2"]) == (4, 3)
    assert shown["worst_1"] == 1
    assert 0 not in [shown.get("median_1"), shown.get("median_2")]
    alone = numbers(drawn(scored(BestMedianWorst(3, range(1), NAMES), [(0, annotations(), [])])))
    assert alone == {"best_1": 0}


def test_uncertain_boxes_do_not_count():
    gallery = scored(
        BestMedianWorst(3, range(1), NAMES), [(0, annotations([SQUARE]), [(SQUARE, 0.9, 0), (OTHER, 0.29, 0)])]
    )
    assert gallery.spread[0].matches.quality() == 1.0


def test_truth_that_is_no_box_is_left_out():
    truth = annotations([SQUARE, (5, 5, 5, 20), (float("nan"), 0, 10, 10), (5, 5, float("inf"), 20)])
    gallery = scored(BestMedianWorst(3, range(1), NAMES), [(0, truth, [(SQUARE, 0.9, 0)])])
    assert gallery.spread[0].matches.quality() == 1.0
    assert list(drawn(gallery)) == ["best_1"]


def test_boxes_of_the_file_are_drawn_where_the_network_saw_them():
    gallery = BestMedianWorst(3, range(1), NAMES)
    places = torch.tensor([[0.0, 100, 400, 300]]), torch.tensor([[80.0, 100]])  # 4 times as wide, 3.75 as high
    batch = {
        "image": torch.full((1, 3, 400, 400), 128, dtype=torch.uint8),
        "annotations": [annotations([(10, 40, 90, 80)], labels=[1])],
        "name": ["a.jpg"],
        "index": [0],
        "places": places,
    }
    gallery.add(batch, detections([((10, 40, 90, 72), 0.9, 1)]))
    shown = gallery.spread[0]
    np.testing.assert_allclose(shown.truth[0], [[40, 250, 360, 400]])
    np.testing.assert_allclose(shown.found[0], [[40, 250, 360, 370]])
    picture = np.asarray(drawn(gallery)["best_1"])
    assert tuple(picture[48 + 300, 6 + 40]) == colour_of(1)
    assert tuple(picture[48 + 300, 400 + 12 + 40]) == colour_of(1)


def test_every_picture_has_a_sane_size():
    cases = [(0, annotations([SQUARE] * 12, crowd=[True] + [False] * 11), []), case(3), (2, annotations(), [])]
    for picture in drawn(scored(BestMedianWorst(9, range(3), NAMES), cases)).values():
        assert 800 < picture.width < 900 and 360 < picture.height < 460
