"""Average precision, F1 and the other scores against their plain definitions, and the loss by hand."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from tasks.common.parity import Agreement
from tasks.multilabel.average_precision import average_precision
from tasks.multilabel.loss import BinaryCrossEntropy
from tasks.multilabel.metric import MultiLabelScores
from tasks.multilabel.output import MultiLabelOutput
from tasks.multilabel.parity import SameLabels
from tests.tasks.common.test_auroc import by_pairs


def plain_average_precision(scores: Sequence[float], truth: Sequence[int]) -> float | None:
    """One threshold after the other: the sum of precision times the recall that it gains."""
    if not sum(truth):
        return None
    total, before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        kept = [label for score, label in zip(scores, truth, strict=True) if score >= threshold]
        recall = sum(kept) / sum(truth)
        total += (recall - before) * sum(kept) / len(kept)
        before = recall
    return total


def plain_f1(found: Sequence[bool], truth: Sequence[int]) -> float | None:
    right = sum(f and t for f, t in zip(found, truth, strict=True))
    wrong = sum(f and not t for f, t in zip(found, truth, strict=True))
    missed = sum(not f and t for f, t in zip(found, truth, strict=True))
    if not right + wrong + missed:
        return None
    precision, recall = right / max(1, right + wrong), right / max(1, right + missed)
    return 2 * precision * recall / (precision + recall) if right else 0.0


def test_average_precision_by_hand():
    truth = np.array([0, 0, 1, 1], bool)  # scikit-learn's own example: 0.8333
    assert average_precision(np.array([0.1, 0.4, 0.35, 0.8], np.float32), truth) == pytest.approx(5 / 6)
    assert average_precision(np.zeros(4, np.float32), truth) == 0.5, "equal scores are one threshold"
    assert average_precision(np.array([9, 8, 2, 1], np.float32), truth) == pytest.approx((1 / 3 + 2 / 4) / 2)
    assert average_precision(np.array([1, 2, np.nan, 3], np.float32), truth) == pytest.approx((1 + 2 / 4) / 2)
    assert average_precision(np.array([1.0], np.float32), np.array([False])) is None


@pytest.mark.parametrize("threshold", [0.5, 0.2])
def test_equals_the_plain_definitions(threshold):
    generator = np.random.default_rng(3)
    names = [f"class {number}" for number in range(6)]
    logits = generator.normal(0, 2, (97, 6)).round(1).astype(np.float32)  # with many equal ones
    truth = generator.random((97, 6)) < [0.5, 0.1, 0.9, 0.3, 0.02, 0]
    metric = MultiLabelScores(names, threshold)
    for part in (slice(0, 1), slice(1, 40), slice(40, 97)):
        metric.update(torch.from_numpy(logits[part]), torch.from_numpy(truth[part].astype(np.uint8)))
    result = metric.compute()
    precisions = [plain_average_precision(logits[:, c].tolist(), truth[:, c].tolist()) for c in range(6)]
    found = 1 / (1 + np.exp(-logits.astype(float))) >= threshold
    scores = [plain_f1(found[:, c].tolist(), truth[:, c].tolist()) for c in range(5)]
    assert precisions[5] is None and result["AP/class 5"] is None
    assert [result[f"AP/{name}"] for name in names[:5]] == pytest.approx(precisions[:5], abs=1e-12)
    assert result["mAP"] == pytest.approx(sum(precisions[:5]) / 5, abs=1e-12)
    assert result["F1"] == pytest.approx(plain_f1(found.ravel().tolist(), truth.ravel().tolist()), abs=1e-12)
    assert result["F1_macro"] == pytest.approx(sum(scores) / 5, abs=1e-12)
    assert result["exact"] == sum((f == t).all() for f, t in zip(found, truth, strict=True)) / 97
    assert result["images"] == 97
    for c, row in enumerate(metric.classes[:4]):
        assert (row.auroc, row.error) == pytest.approx(by_pairs(logits[:, c], truth[:, c]), abs=1e-12)


def test_the_order_of_images_does_not_matter():
    generator = np.random.default_rng(0)
    logits, truth = generator.normal(0, 1, (50, 3)).round(1), generator.integers(0, 2, (50, 3))
    results = []
    for order in (np.arange(50), generator.permutation(50)):
        metric = MultiLabelScores(["a", "b", "c"], 0.5)
        metric.update(torch.from_numpy(logits[order]), torch.from_numpy(truth[order]))
        results.append(metric.compute())
    assert results[0] == results[1]


def test_without_images_or_with_other_labels():
    metric = MultiLabelScores(["a"], 0.5)
    assert metric.compute() == {"mAP": None, "F1": None, "F1_macro": None, "exact": None, "AP/a": None, "images": 0}
    with pytest.raises(ValueError, match="not 0 or 1"):
        metric.update(torch.zeros(1, 1), torch.tensor([[2]]))
    with pytest.raises(ValueError, match=r"labels \(2,\) are not 0 or 1 for each of \(1, 1\)"):
        metric.update(torch.zeros(1, 1), torch.tensor([1, 0]))


def test_loss_by_hand():
    logits, labels = torch.tensor([[0.0, 2.0]]), torch.tensor([[1, 0]], dtype=torch.uint8)
    plain = (math.log(2) + math.log(1 + math.exp(2))) / 2
    assert float(BinaryCrossEntropy()(logits, labels)) == pytest.approx(plain)
    weighed = BinaryCrossEntropy(positive_weight=[3, 5])
    assert float(weighed(logits, labels)) == pytest.approx((3 * math.log(2) + math.log(1 + math.exp(2))) / 2)
    smooth = 0.05 * math.log(1 + math.exp(-2)) + 0.95 * math.log(1 + math.exp(2))
    assert float(BinaryCrossEntropy(label_smoothing=0.1)(logits, labels)) == pytest.approx((math.log(2) + smooth) / 2)


def test_weights_from_the_training_images():
    loss = BinaryCrossEntropy(balance=0.5)
    loss.weigh(torch.tensor([20, 80, 0, 100]), 100)
    assert loss.weights.tolist() == [2.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"balance": 2}, "between 0 and 1"),
        ({"label_smoothing": 1}, "label_smoothing=1"),
        ({"positive_weight": [1, 0]}, "above 0"),
        ({"positive_weight": [1, 2], "balance": 0.5}, "only one can decide"),
    ],
)
def test_settings_of_the_loss(settings, message):
    with pytest.raises(ValueError, match=message):
        BinaryCrossEntropy(**settings)
    with pytest.raises(ValueError, match="2 numbers for 3 classes"):
        BinaryCrossEntropy(positive_weight=[1, 2]).check_classes(3)


def test_output_by_hand(tmp_path):
    output = MultiLabelOutput(["cat", "dog", "cow"], 0.6)
    found = {"probabilities": np.array([0.6, 0.59, 0.9], np.float32)}
    assert output.summary(found) == "cow 0.900, cat 0.600"
    result = output.result({"logits": np.array([0.41, 0.4, -1e9], np.float32)})
    assert result["names"] == ["cat"] and result["labels"].tolist() == [0]
    assert result["probabilities"].tolist() == pytest.approx([0.60109, 0.59869, 0], abs=1e-5)
    row = output.write(found, tmp_path, "sub/photo")
    assert row["labels"] == "cow|cat" and row["probabilities"] == "0.900000|0.600000"
    assert (tmp_path / "labels/sub/photo.json").read_text() == (
        '{"labels": ["cow", "cat"], "probabilities": {"cat": 0.6, "dog": 0.59, "cow": 0.9}}\n'
    )
    assert output.summary({"logits": np.full(3, -5.0)}) == "nothing"
    assert output.overlay(np.zeros((20, 60, 3), np.uint8), found, False).shape[1:] == (60, 3)


def test_parity_by_hand():
    ours, theirs = ({"logits": np.array(values, np.float32)} for values in ([3, -3, 1e-6], [2, 1, -1e-6]))
    assert SameLabels().agreement(ours, theirs, None, "fp32") == Agreement(2, 3, 1), "0.5 and 0.5 are a tie"
    sure = {"logits": np.array([3, -3, 0.1], np.float32)}
    assert SameLabels().agreement(sure, theirs, None, "fp32") == Agreement(1, 3, 0)
    assert SameLabels().agreement(ours, {"logits": np.full(3, np.nan)}, None, "fp32") == Agreement(0, 3, 0)
