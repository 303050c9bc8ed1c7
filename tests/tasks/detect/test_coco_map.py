"""COCO's mAP: by hand, and equal to pycocotools' on random and real sets."""

from pathlib import Path

import numpy as np
import pytest

from tasks.detect.arrange import Found, Integers, Truths
from tasks.detect.coco_map import AT_50, Result, evaluate
from tasks.detect.error_kinds import KINDS, errors, judge
from tasks.detect.official import evaluate_officially
from tasks.detect.truths import read_truths

DATA = Path(__file__).parents[4] / "shared" / "data"
Data = tuple[Truths, Found, Integers, Integers]


def truths(*rows: tuple[int, int, list[float]], crowd: tuple[int, ...] = ()) -> Truths:
    """Rows of image, category and box; those at the places in `crowd` are crowds."""
    image, category, boxes = zip(*rows, strict=True) if rows else ((), (), ())
    boxes = np.array(boxes, float).reshape(-1, 4)
    crowds = np.isin(np.arange(len(rows)), crowd)
    return Truths(np.array(image, int), np.array(category, int), boxes, boxes[:, 2] * boxes[:, 3], crowds)


def found(*rows: tuple[int, int, list[float], float]) -> Found:
    """Rows of image, category, box and score."""
    image, category, boxes, scores = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Found(
        np.array(image, int),
        np.array(category, int),
        np.array(boxes, float).reshape(-1, 4),
        np.array(scores, float),
    )


def numbers(truths: Truths, found: Found, images=(1, 2), categories=(7,)) -> dict[str, float | None]:
    """The twelve, after a look whether pycocotools says the same."""
    data = truths, found, np.array(images), np.array(categories)
    result = evaluate(*data)
    assert_equal(result, evaluate_officially(*data))
    return result.numbers


def assert_equal(ours: Result, theirs: Result) -> None:
    np.testing.assert_array_equal(ours.categories, theirs.categories)
    np.testing.assert_allclose(ours.precision, theirs.precision, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.recall, theirs.recall, rtol=0, atol=1e-12)
    assert [*ours.numbers] == [*theirs.numbers]
    for name, value in ours.numbers.items():
        other = theirs.numbers[name]
        assert (value is None) == (other is None), name
        assert value is None or other is None or abs(value - other) <= 1e-12, name


def boxes(random: np.random.Generator, count: int, size: float, grid: bool) -> np.ndarray:
    drawn = random.uniform(0, size, (count, 4))
    return np.round(drawn / size * 6) * (size / 6) if grid else drawn  # some of width or height 0


def random_set(seed: int) -> Data:
    """Every other one on a coarse grid, so that overlaps are often equal; most with few different scores.

    Seven in ten detections lie about a truth. Each seventh set is one image, with more than 100 detections in a class.
    """
    random = np.random.default_rng(seed)
    grid, few_scores, size = seed % 2 == 0, random.random() < 0.6, random.choice([40, 120, 400])
    images = random.choice(1000, 1 if seed % 7 == 0 else random.integers(2, 8), replace=False)
    categories = random.choice(np.arange(1, 91), random.integers(1, 5), replace=False)
    objects = 0 if seed % 14 == 3 else int(random.integers(1, 60))
    count = 1500 if seed % 7 == 0 else 0 if seed % 14 == 5 else int(random.integers(1, 500))
    used, classes = images[: max(1, len(images) - 1)], categories[: max(1, len(categories) - 1)]
    boxes_there = boxes(random, objects, size, grid)
    there = Truths(
        random.choice(used, objects),
        random.choice(classes, objects),
        boxes_there,
        boxes_there[:, 2] * boxes_there[:, 3] * random.choice([1, 0.6], objects),
        random.random(objects) < 0.2,
    )

    boxes_found, image, category = (
        boxes(random, count, size, grid),
        *(random.choice(x, count) for x in (images, categories)),
    )
    if objects:
        near = random.random(count) < 0.7
        source = random.integers(0, objects, count)[near]
        steps = (
            random.integers(-1, 2, (len(source), 4)) * size / 12
            if grid
            else random.normal(0, size / 20, (len(source), 4))
        )
        boxes_found[near] = boxes_there[source] + steps
        image[near], category[near] = there.image[source], there.category[source]
    scores = np.round(random.random(count), 1 if few_scores else 6)
    return there, Found(image, category, boxes_found, scores), images, categories


@pytest.mark.parametrize("seed", range(42))
def test_random_sets_score_as_by_pycocotools(seed):
    data = random_set(seed)
    assert_equal(evaluate(*data), evaluate_officially(*data))


def test_random_sets_hold_what_is_easy_to_get_wrong():
    sets = [random_set(seed) for seed in range(42)]
    assert sum(bool(there.crowd.any()) for there, *_ in sets) > 30
    assert any(not len(there.image) for there, *_ in sets) and any(not len(found.image) for _, found, *_ in sets)
    assert any((found.boxes[:, 2] <= 0).any() for _, found, *_ in sets), "boxes without width"
    assert any(np.unique(found.category, return_counts=True)[1].max(initial=0) > 500 for _, found, *_ in sets)
    scored = [evaluate(*data).numbers for data in sets]
    for name in scored[0]:
        assert len({numbers[name] for numbers in scored}) > 8, f"{name} is hardly ever defined"


@pytest.mark.parametrize(
    ("name", "split"), [("coco-tiny", "train"), ("coco-tiny", "val"), ("coco-bccd", "train"), ("coco-bccd", "val")]
)
def test_real_annotations_score_as_by_pycocotools(name, split):
    path = DATA / name / "annotations" / f"instances_{split}2017.json"
    if not path.is_file():
        pytest.skip("needs the real annotations in shared/data")
    file, random = read_truths(path), np.random.default_rng(0)
    there = file.truths
    source = random.integers(0, len(there.image), 3 * len(there.image))
    jitter = random.normal(0, 0.1, (len(source), 4)) * np.tile(there.boxes[source, 2:], 2)
    category = np.where(
        random.random(len(source)) < 0.9, there.category[source], random.choice(there.category, len(source))
    )
    scores = np.round(random.random(len(source)), 2)
    data = (
        there,
        Found(there.image[source], category, there.boxes[source] + jitter, scores),
        file.image_ids.numbers,
        file.category_ids.numbers,
    )
    ours = evaluate(*data)
    assert_equal(ours, evaluate_officially(*data))
    assert 0.05 < ours.numbers["mAP"] < 0.9


def test_one_perfect_box():
    scores = numbers(truths((1, 7, [10, 10, 20, 20])), found((1, 7, [10, 10, 20, 20], 0.3)))
    assert scores["mAP"] == pytest.approx(1, abs=1e-12) and scores["AR1"] == 1
    assert scores["mAP_small"] == pytest.approx(1, abs=1e-12) and scores["mAP_large"] is None


def test_one_of_two_is_missed():
    scores = numbers(truths((1, 7, [10, 10, 20, 20]), (2, 7, [10, 10, 20, 20])), found((1, 7, [10, 10, 20, 20], 0.3)))
    assert scores["mAP"] == pytest.approx(51 / 101, abs=1e-12)  # recalls 0 to 0.5
    assert scores["AR100"] == 0.5


def test_a_box_of_iou_0_6_counts_at_three_thresholds():
    scores = numbers(truths((1, 7, [0, 0, 10, 10])), found((1, 7, [0, 0, 10, 6.1], 0.5)))
    assert scores["AR100"] == pytest.approx(0.3) and scores["mAP50"] == pytest.approx(1) and scores["mAP75"] == 0


def test_a_crowd_swallows_detections():
    there = truths((1, 7, [0, 0, 50, 50]), (1, 7, [100, 100, 200, 200]), crowd=(1,))
    seen = found((1, 7, [110, 110, 20, 20], 0.9), (1, 7, [210, 210, 60, 60], 0.8), (1, 7, [0, 0, 50, 50], 0.7))
    assert numbers(there, seen)["mAP"] == pytest.approx(1, abs=1e-12)
    assert numbers(there._replace(crowd=np.array([False, False])), seen)["mAP"] == pytest.approx(1 / 3 * 51 / 101)


def test_the_second_detection_of_an_object_is_wrong():
    there = truths((1, 7, [0, 0, 50, 50]), (2, 7, [0, 0, 50, 50]))
    seen = found((1, 7, [0, 0, 50, 50], 0.9), (1, 7, [0, 0, 50, 50], 0.8), (2, 7, [0, 0, 50, 50], 0.7))
    assert numbers(there, seen)["mAP"] == pytest.approx((51 + 50 * 2 / 3) / 101, abs=1e-12)


def test_of_equal_overlaps_the_later_truth_is_taken():
    left, right, between = [0, 0, 10, 10], [4, 0, 10, 10], [2, 0, 10, 10]
    seen = found((1, 7, between, 0.9), (1, 7, right, 0.8))
    assert numbers(truths((1, 7, left), (1, 7, right)), seen)["AR100"] == 0.5
    assert numbers(truths((1, 7, right), (1, 7, left)), seen)["AR100"] == pytest.approx(0.7)  # IoU 2/3: 4 thresholds


def test_pairs_are_compared_in_parts(monkeypatch):
    whole = evaluate(*random_set(7))
    monkeypatch.setattr("tasks.detect.matching.PART", 5)
    assert_equal(evaluate(*random_set(7)), whole)


def test_nothing_there_nothing_found():
    assert set(numbers(truths(), found()).values()) == {None}
    assert numbers(truths((1, 7, [0, 0, 9, 9])), found())["mAP"] == 0
    assert set(numbers(truths(), found((1, 7, [0, 0, 9, 9], 0.5))).values()) == {None}


def test_other_images_and_categories_are_left_out():
    there, seen = truths((1, 7, [0, 0, 9, 9])), found((1, 8, [0, 0, 9, 9], 0.9), (1, 7, [0, 0, 9, 9], 0.5))
    elsewhere = found((5, 7, [0, 0, 9, 9], 0.9), (1, 7, [0, 0, 9, 9], 0.5))
    for case in (seen, elsewhere):
        assert evaluate(there, case, np.array([1]), np.array([7])).numbers["mAP"] == pytest.approx(1)


def test_average_precision_of_each_category():
    there = truths((1, 7, [0, 0, 10, 10]), (1, 3, [0, 0, 10, 10]))
    result = evaluate(there, found((1, 7, [0, 0, 10, 6.1], 0.5)), np.array([1]), np.array([7, 3, 5]))
    assert result.average_precision() == {3: 0, 5: None, 7: pytest.approx(0.3)}
    assert result.average_precision(AT_50) == {3: 0, 5: None, 7: pytest.approx(1)}


def test_error_kinds():
    there = truths(
        (1, 7, [0, 0, 50, 50]),
        (1, 8, [100, 0, 50, 50]),
        (1, 7, [0, 100, 50, 50]),
        (1, 8, [200, 200, 90, 90]),
        crowd=(3,),
    )
    seen = found(
        (1, 7, [0, 0, 50, 50], 0.9),  # right
        (1, 7, [0, 0, 50, 48], 0.8),  # duplicate
        (1, 7, [100, 0, 50, 50], 0.7),  # of class 8
        (1, 7, [100, 2, 50, 48], 0.65),  # likewise
        (1, 7, [0, 130, 50, 50], 0.6),  # IoU 0.25
        (1, 8, [300, 0, 9, 9], 0.55),  # background
        (1, 8, [210, 210, 9, 9], 0.54),  # on the crowd
        (1, 8, [100, 0, 50, 50], 0.5),  # right
        (1, 8, [300, 0, 9, 9], 0.1),  # below the score of the best F1
    )
    kinds = errors(judge(there, seen, np.array([1]), np.array([8, 7])))
    assert kinds.score == 0.9, "F1 is 2/4 there; with the next right one 4/10"
    assert dict(zip(KINDS, kinds.counts.sum(0), strict=True)) == {
        "right": 1, "duplicate": 0, "wrong class": 0, "badly located": 0, "background": 0, "missed": 2
    }  # fmt: skip

    third = [(1, 7, [0, 100, 50, 50], 0.45)]
    rows = list(zip(seen.image, seen.category, seen.boxes, seen.scores, strict=True))
    kinds = errors(judge(there, found(*rows[:-1], *third, rows[-1]), np.array([1]), np.array([8, 7])))
    assert kinds.score == 0.45 and kinds.categories.tolist() == [7, 8]
    assert kinds.counts.tolist() == [[2, 1, 2, 1, 0, 0], [1, 0, 0, 0, 1, 0]]


def test_what_covers_two_objects_is_a_duplicate_first():
    there = truths((1, 7, [0, 0, 50, 50]), (1, 8, [0, 0, 50, 48]), (1, 7, [0, 80, 9, 9]))
    seen = found((1, 7, [0, 0, 50, 50], 0.9), (1, 7, [0, 0, 50, 49], 0.8), (1, 7, [0, 80, 9, 9], 0.7))
    kinds = errors(judge(there, seen, np.array([1]), np.array([7, 8])))
    assert kinds.counts.tolist() == [[2, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]]


def test_equal_scores_stand_or_fall_together():
    there = truths((1, 7, [0, 0, 50, 50]), (1, 7, [60, 60, 50, 50]))
    wrong = [(1, 7, [200, 0, 9, 9], 0.5)] * 10
    seen = found((1, 7, [0, 0, 50, 50], 0.9), (1, 7, [60, 60, 50, 50], 0.5), *wrong)
    assert errors(judge(there, seen, np.array([1]), np.array([7]))).score == 0.9


def test_error_kinds_of_nothing():
    kinds = errors(judge(truths((1, 7, [0, 0, 9, 9])), found(), np.array([1]), np.array([7])))
    assert kinds.counts.tolist() == [[0, 0, 0, 0, 0, 1]]
    kinds = errors(judge(truths(), found((1, 7, [0, 0, 9, 9], 0.5)), np.array([1]), np.array([7])))
    assert kinds.counts.tolist() == [[0, 0, 0, 0, 1, 0]]
