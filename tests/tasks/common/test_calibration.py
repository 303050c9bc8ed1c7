"""Calibration: bins by hand, and a temperature against a search over a fine grid."""

import numpy as np
import pytest
import torch

from tasks.common.calibration import COLDEST, HOTTEST, best_temperature, calibration_error


def test_the_error_by_hand():
    """Bins of 1/15: three images in (14/15, 1], one of them wrong; two in (7/15, 8/15], one right; an edge is below."""
    confidences = np.array([0.95, 1.0, 0.97, 0.5, 0.52, 1 / 15])
    right = np.array([True, True, False, True, False, False])
    expected = (abs(0.95 + 1.0 + 0.97 - 2) + abs(0.5 + 0.52 - 1) + 1 / 15) / 6
    assert calibration_error(confidences, right) == pytest.approx(expected)
    assert calibration_error(confidences[::-1], right[::-1]) == calibration_error(confidences, right)
    assert calibration_error(np.zeros(0), np.zeros(0, bool)) is None


def overconfident(count=4000, classes=5, times=2.5):
    """Logits whose softmax is right about the labels, multiplied."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(count, classes, generator=generator)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    return (times * logits).numpy(), labels.numpy()


def test_the_temperature_undoes_what_was_multiplied():
    logits, labels = overconfident()
    found = best_temperature(logits, labels)
    assert found == pytest.approx(2.5, rel=0.05)
    grid = np.linspace(0.98 * found, 1.02 * found, 41)
    losses = [
        float(torch.nn.functional.cross_entropy(torch.tensor(logits).double() / t, torch.tensor(labels))) for t in grid
    ]
    assert grid[int(np.argmin(losses))] == pytest.approx(found, rel=6e-4)
    assert best_temperature(7 * logits.astype(float), labels) == pytest.approx(7 * found, rel=1e-9)


def test_where_no_temperature_is_best():
    logits, labels = overconfident(50)
    sure = np.eye(5)[labels]
    assert best_temperature(sure, labels) == COLDEST, "all are right: the surer the better"
    assert best_temperature(-sure, labels) == HOTTEST, "all are wrong"
    assert best_temperature(np.zeros((4, 5)), np.arange(4)) is not None
    assert best_temperature(logits[:0], labels[:0]) is None
    assert best_temperature(np.full((2, 5), np.nan), labels[:2]) is None
