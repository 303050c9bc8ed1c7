"""Class weights of the classification loss: by hand, against PyTorch, and from the training images."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tasks.classify.loss import ImageCrossEntropy
from tasks.common.errors import UserError
from tasks.engine.build import build
from tests.test_config import run_of

LOGITS = torch.tensor([[2.0, 0.0, 1.0], [0.0, 1.0, 0.0], [1.0, 1.0, 3.0], [0.5, 0.0, 0.0]])
LABELS = torch.tensor([0, 1, 2, 0])


def test_without_weights_it_is_pytorchs_bit_for_bit():
    for smoothing in (0.0, 0.1):
        ours, theirs = (
            ImageCrossEntropy(label_smoothing=smoothing),
            torch.nn.CrossEntropyLoss(label_smoothing=smoothing),
        )
        shares = F.one_hot(LABELS, 3).float() * 0.7 + 0.1
        assert all(torch.equal(ours(LOGITS, target), theirs(LOGITS, target)) for target in (LABELS, shares))


def test_typed_weights_by_hand():
    each = F.cross_entropy(LOGITS, LABELS, reduction="none")
    loss = ImageCrossEntropy(weight=[1, 3, 0.5])
    loss.check_classes(3)
    torch.testing.assert_close(loss(LOGITS, LABELS), (each * torch.tensor([1, 3, 0.5, 1])).mean())
    torch.testing.assert_close(loss(LOGITS, F.one_hot(LABELS, 3).float()), loss(LOGITS, LABELS))


def test_weights_of_the_training_images():
    class Photos:
        def class_labels(self):
            return np.repeat([0, 1], [90, 10])

    for options in (["task.loss.balance=1"], ["task.loss.weight=balanced"]):
        run = run_of("recipe=none", "backbone=mobilenet_v3_small", *options, task="classify")
        task = build(run.learner, {"label": ["often", "rare", "never"]}).task("classify")
        task.prepare(Photos())
        assert task.criterion.weights.tolist() == pytest.approx([1 / 1.8, 5, 0])
        assert not [name for name in task.state_dict() if "criterion" in name], "checkpoints stay as they were"
    half = ImageCrossEntropy(balance=0.5)
    half.weigh(torch.tensor([90, 10]))
    assert float(half.weights[1] / half.weights[0]) == pytest.approx(3)
    assert float((half.weights * torch.tensor([0.9, 0.1])).sum()) == pytest.approx(1), "a mean image weighs 1"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": [1, 2], "balance": 0.5}, "only one of them can decide"),
        ({"weight": [0, 0]}, "must be numbers from 0 on"),
        ({"weight": "inverse"}, "neither a number for each class nor balanced"),
        ({"balance": 2}, "must lie between 0 and 1"),
    ],
)
def test_wrong_weights(options, message):
    with pytest.raises(ValueError, match=message):
        ImageCrossEntropy(**options)
    with pytest.raises(ValueError, match="has 2 numbers for 3 classes"):
        ImageCrossEntropy(weight=[1, 2]).check_classes(3)


def test_a_balanced_sampler_has_a_share():
    run_of("recipe=none", "data.balance=0.5", task="classify")
    with pytest.raises(UserError, match=r"data.balance=2"):
        run_of("recipe=none", "data.balance=2", task="classify")


def test_binary_cross_entropy_by_hand():
    logits, labels = torch.tensor([[0.0, 2.0, -1.0]]), torch.tensor([1])
    softplus = [torch.nn.functional.softplus(torch.tensor(x)).item() for x in (0.0, -2.0, -1.0)]
    assert ImageCrossEntropy(binary=True)(logits, labels).item() == pytest.approx(sum(softplus) / 3)
    shares = torch.tensor([[0.3, 0.7, 0.0]])
    kept = F.binary_cross_entropy(logits.sigmoid(), shares)
    torch.testing.assert_close(ImageCrossEntropy(binary=True)(logits, shares), kept)
    both = F.binary_cross_entropy(logits.sigmoid(), torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(ImageCrossEntropy(binary=True, target_threshold=0.2)(logits, shares), both)
    one = F.binary_cross_entropy(logits.sigmoid(), torch.tensor([[0.0, 1.0, 0.0]]))
    torch.testing.assert_close(ImageCrossEntropy(binary=True, target_threshold=0.5)(logits, shares), one)
    smooth = F.binary_cross_entropy(logits.sigmoid(), torch.tensor([[0.1, 0.8, 0.1]]))  # timm's: 0.3 over 3 classes
    torch.testing.assert_close(ImageCrossEntropy(binary=True, label_smoothing=0.3)(logits, labels), smooth)


def test_binary_with_class_weights():
    loss = ImageCrossEntropy(binary=True, weight=[1, 3, 0.5])
    each = F.binary_cross_entropy(LOGITS.sigmoid(), F.one_hot(LABELS, 3).float(), reduction="none").mean(1)
    torch.testing.assert_close(loss(LOGITS, LABELS), (each * torch.tensor([1, 3, 0.5, 1])).mean())
    torch.testing.assert_close(loss(LOGITS, F.one_hot(LABELS, 3).float()), loss(LOGITS, LABELS))


@pytest.mark.parametrize("settings", [{"target_threshold": 0.2}, {"binary": True, "target_threshold": 1.0}])
def test_a_threshold_needs_binary(settings):
    with pytest.raises(ValueError, match=r"task\.loss\.target_threshold=.* with task\.loss\.binary=true"):
        ImageCrossEntropy(**settings)
