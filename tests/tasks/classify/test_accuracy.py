"""Top-1 and top-5 by hand, with ties, and against torchmetrics."""

import pytest
import torch
from torchmetrics.classification import MulticlassAccuracy

from tasks.classify.accuracy import Accuracy, ranks


def test_ranks_by_hand_ties_go_to_the_lower_class():
    scores = torch.tensor([[0.1, 0.7, 0.2], [0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 0.0], [float("nan"), 1, 2]])
    assert ranks(scores, torch.tensor([1, 0, 1, 2, 0])).tolist() == [0, 0, 1, 2, 3]


def test_a_score_that_is_no_number_is_never_right():
    metric = Accuracy()
    metric.update(torch.full((4, 10), float("nan")), torch.arange(4))
    assert metric.compute() == {"top1": 0.0, "top5": 0.0, "images": 4}


@pytest.mark.parametrize("classes", [2, 5, 6, 1000])
def test_equals_torchmetrics_on_random_scores(classes):
    generator = torch.Generator().manual_seed(classes)
    metric = Accuracy()
    references = {k: MulticlassAccuracy(classes, top_k=min(k, classes), average="micro") for k in (1, 5)}
    for size in (1, 7, 32):
        scores = torch.randn(size, classes, generator=generator)
        labels = torch.randint(classes, (size,), generator=generator)
        metric.update(scores, labels)
        for reference in references.values():
            reference.update(scores, labels)
    result = metric.compute()
    assert result["images"] == 40
    for k, reference in references.items():
        assert result[f"top{k}"] == pytest.approx(float(reference.compute()), abs=1e-6)


def test_no_image_has_no_score():
    assert Accuracy().compute() == {"top1": None, "top5": None, "images": 0}


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_outside_the_classes_is_named(label):
    with pytest.raises(ValueError, match=f"label {label} is not one of the 3 classes, 0 to 2"):
        Accuracy().update(torch.zeros(2, 3), torch.tensor([1, label]))
