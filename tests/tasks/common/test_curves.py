"""Curves over thresholds, against counts by hand."""

import numpy as np
import pytest

from tasks.common.curves import GRID, Ranked, confusion, joint, threshold_charts

SCORES = np.array([0.2, 0.9, 0.6, 0.6])
RIGHT = np.array([True, True, False, True])


def test_counts_from_a_threshold_on():
    found, right = Ranked.of(SCORES, RIGHT, 4).at(np.array([0.0, 0.2, 0.6, 0.61, 0.9, 1.0]))
    assert found.tolist() == [4, 4, 3, 1, 1, 0]
    assert right.tolist() == [3, 3, 2, 1, 1, 0]


def test_the_best_threshold():
    best = Ranked.of(SCORES, RIGHT, 4).best()
    assert best == {"threshold": 0.2, "F1": 2 * 3 / (4 + 4), "precision": 0.75, "recall": 0.75}
    assert Ranked.of(SCORES, ~RIGHT & False, 4).best() is None
    assert Ranked.of(np.zeros(0), np.zeros(0, bool), 2).best() is None


def test_precision_is_the_highest_at_a_recall_or_beyond():
    precision = dict(zip(GRID.round(2).tolist(), Ranked.of(SCORES, RIGHT, 4).precisions().tolist(), strict=True))
    assert precision[0.0] == precision[0.25] == 1.0
    assert precision[0.26] == precision[0.75] == 0.75, "the last one is better than the two of 0.6"
    assert precision[0.76] == precision[1.0] == 0.0, "one truth is never found"


def test_classes_joined_are_ranked_together():
    one, other = Ranked.of(np.array([0.9, 0.1]), np.array([True, False]), 1), Ranked.of(SCORES, RIGHT, 4)
    every = joint([one, other])
    assert every.scores.tolist() == [0.9, 0.9, 0.6, 0.6, 0.2, 0.1]
    assert every.right[-1] == 4 and every.truths == 5


def test_classes_without_truth_are_not_drawn_but_what_is_found_of_them_is_wrong():
    found = threshold_charts({"a": Ranked.of(SCORES, RIGHT, 4), "b": Ranked.of(SCORES, RIGHT & False, 0)}, "score")
    assert [row[0] for row in found["best"]] == ["all classes", "a"]
    assert [[line["name"] for line in chart["lines"]] for chart in found["charts"]] == [["a"], ["all classes", "a"]]
    assert found["best"][0] == ["all classes", 0.2, 2 * 3 / (8 + 4), 3 / 8, 3 / 4] and found["best"][1][2] == 0.75
    assert found["charts"][1]["marks"] == [{"x": 0.2, "text": "best 0.500 at 0.200"}]


def test_of_many_classes_the_worst_are_drawn():
    ranked = {f"c{k:02}": Ranked.of(np.array([0.5] * (k + 1)), np.arange(k + 1) == 0, 1) for k in range(30)}
    found = threshold_charts(ranked, "score")
    assert [line["name"] for line in found["charts"][1]["lines"][:3]] == ["all classes", "c29", "c28"]
    assert len(found["best"]) == 31


def test_nothing_at_all():
    found = threshold_charts({}, "score")
    assert found["best"] == [["all classes", None, None, None, None]]


@pytest.mark.parametrize("classes", [3, 150])
def test_confusion_matrices_keep_their_counts(classes):
    counts = np.zeros((classes, classes), np.int64)
    counts[1, 2], counts[0, 0] = 5, 7
    names = [f"c{k}" for k in range(classes)]
    found = confusion(names, names, counts, "note")
    if classes == 3:
        assert found["counts"] == [[7, 0, 0], [0, 0, 5], [0, 0, 0]]
    else:
        assert found["sparse"] == [[1, 2, 5], [0, 0, 7]] and found["totals"][:3] == [7, 5, 0]
