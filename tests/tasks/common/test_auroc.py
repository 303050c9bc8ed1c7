"""Area under the ROC curve: by hand, by comparing all pairs, and its standard error by DeLong's definition."""

import numpy as np
import pytest

from tasks.common.auroc import auroc


def by_pairs(scores, truth):
    """The area as the share of pairs won, and DeLong's error from each image's own share."""
    above = np.subtract.outer(scores[truth], scores[~truth])
    won = (above > 0) + 0.5 * (above == 0)
    parts = [won.mean(axis) for axis in (1, 0)]
    return won.mean(), sum(part.var(ddof=1) / len(part) for part in parts) ** 0.5


def test_by_hand():
    scores, truth = np.array([0.9, 0.8, 0.8, 0.1]), np.array([True, True, False, False])
    area, error = auroc(scores, truth)
    assert area == 3.5 / 4, "of four pairs three are right and one is a tie"
    assert error == pytest.approx((0.03125 / 2 + 0.03125 / 2) ** 0.5)  # shares 1 and 3/4 of either kind


@pytest.mark.parametrize("seed", range(4))
def test_ties_and_all(seed):
    random = np.random.default_rng(seed)
    truth = random.random(60) < 0.3
    scores = np.round(random.normal(size=60) + truth, 1)
    area, error = auroc(scores, truth)
    assert (area, error) == pytest.approx(by_pairs(scores, truth), abs=1e-12)
    order = random.permutation(60)
    assert auroc(scores[order], truth[order]) == (area, error), "to the last bit"


def test_where_nothing_can_be_said():
    scores = np.array([0.1, 0.2, 0.3])
    assert auroc(scores, np.zeros(3, bool)) == (None, None)
    assert auroc(scores, np.ones(3, bool)) == (None, None)
    assert auroc(scores, np.array([False, False, True])) == (1.0, None), "one positive has no spread"
    assert auroc(np.array([np.nan, 0.2, -9.0]), np.array([True, False, False])).area == 0.0
