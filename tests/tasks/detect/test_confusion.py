"""The confusion matrix of a detector, against one made by hand; its diagonal against the table of errors."""

import numpy as np

from tasks.detect.arrange import Found, Truths, arrange
from tasks.detect.confusion import confusion_with_background
from tasks.detect.error_kinds import KINDS, errors, hits, judge

BOX = [0.0, 0.0, 10.0, 10.0]
FAR = [50.0, 50.0, 10.0, 10.0]
OTHER = [100.0, 0.0, 10.0, 10.0]


def matrix(truths, found, score=0.5):
    """Truths (category, box, crowd) and detections (category, box, score) of one image, categories 1 and 2."""
    truth = Truths(
        np.ones(len(truths), np.int64),
        np.array([category for category, _, _ in truths], np.int64),
        np.array([box for _, box, _ in truths], float).reshape(-1, 4),
        np.full(len(truths), 100.0),
        np.array([crowd for _, _, crowd in truths], bool),
    )
    detected = Found(
        np.ones(len(found), np.int64),
        np.array([category for category, _, _ in found], np.int64),
        np.array([box for _, box, _ in found], float).reshape(-1, 4),
        np.array([score for _, _, score in found], float),
    )
    data = arrange(truth, detected, np.array([1]), np.array([1, 2]))
    return confusion_with_background(data, *hits(data), score, 2).tolist()


def test_right_wrong_missed_and_background():
    truths = [(1, BOX, False), (2, FAR, False), (2, OTHER, False)]
    found = [(1, BOX, 0.9), (1, FAR, 0.8), (1, [200.0, 0.0, 5.0, 5.0], 0.7), (2, BOX, 0.6), (2, OTHER, 0.4)]
    assert matrix(truths, found) == [
        [1, 0, 0],
        [1, 0, 1],  # one taken for class 1, one missed at this score
        [1, 1, 0],  # on nothing, and on a truth that is found already
    ]


def test_a_truth_is_taken_once_by_the_higher_score():
    assert matrix([(2, BOX, False)], [(1, BOX, 0.6), (1, [0.0, 0.0, 10.0, 9.0], 0.9)]) == [
        [0, 0, 0],
        [1, 0, 0],
        [1, 0, 0],
    ]


def test_crowds_count_nowhere():
    assert matrix([(1, BOX, True)], [(1, BOX, 0.9), (1, BOX, 0.8)]) == [[0, 0, 0]] * 3


def test_the_diagonal_is_what_the_table_of_errors_calls_right():
    random = np.random.default_rng(0)
    count = 300
    boxes = np.concatenate((random.integers(0, 60, (count, 2)), random.integers(10, 30, (count, 2))), 1).astype(float)
    image, category = random.integers(0, 8, count), random.integers(0, 3, count)
    truths = Truths(image, category, boxes, boxes[:, 2] * boxes[:, 3], random.random(count) < 0.1)
    shifted = boxes + random.integers(-3, 4, (count, 4))
    found = Found(image, random.permutation(category), shifted, random.random(count))
    kinds = errors(judge(truths, found, np.arange(8), np.arange(3)))
    data = arrange(truths, found, np.arange(8), np.arange(3))
    result = confusion_with_background(data, *hits(data), kinds.score, 3)
    right, missed = (kinds.counts[:, KINDS.index(kind)] for kind in ("right", "missed"))
    assert right.sum() > 20
    assert result.diagonal()[:3].tolist() == right.tolist()
    assert (result.sum(1)[:3] - right).tolist() == missed.tolist(), "not found by their own class"
    assert result.sum(0)[:3].sum() == kinds.counts[:, :5].sum(), "every detection once"
