"""Hard pixels, soft Dice and Lovász-softmax: by hand, and against the papers' formulas in NumPy."""

import math

import numpy as np
import pytest
import torch

from tasks.segment.hard_pixels import hardest
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.region_losses import lovasz_softmax, soft_dice

VOID = 255


def some(pixels=40, classes=4, seed=0):
    """Probabilities (P, C) and labels (P), some of them void; the last class is in no label."""
    generator = torch.Generator().manual_seed(seed)
    probabilities = (2 * torch.randn(pixels, classes, generator=generator)).softmax(1)
    labels = torch.randint(0, classes - 1, (pixels,), generator=generator)
    labels[::7] = VOID
    return probabilities, labels


def lovasz_of_paper(probabilities, labels, weights=None):
    """Berman et al., Algorithm 1 and equation 9: the Jaccard loss of each prefix of the sorted errors, subtracted."""
    p, y = probabilities.double().numpy(), labels.numpy()
    p, y = p[y != VOID], y[y != VOID]
    losses, shares = [], []
    for c in sorted({*y.tolist()}):
        inside = y == c
        errors = np.abs(inside - p[:, c])
        order = np.argsort(-errors)
        total, before = 0.0, 0.0
        for count in range(1, len(order) + 1):
            wrong = order[:count]
            rest = inside.sum() - inside[wrong].sum()
            union = inside.sum() + (~inside[wrong]).sum()
            jaccard = 1 - rest / union
            total += errors[order[count - 1]] * (jaccard - before)
            before = jaccard
        losses.append(total)
        shares.append(1.0 if weights is None else float(weights[c]))
    return np.average(losses, weights=shares)


def dice_of_paper(probabilities, labels, weights=None, smoothing=0.0):
    p, y = probabilities.double().numpy(), labels.numpy()
    p, y = p[y != VOID], y[y != VOID]
    t = np.eye(p.shape[1])[y] * (1 - smoothing) + smoothing / p.shape[1]
    present = sorted({*y.tolist()})
    losses = [1 - 2 * (p[:, c] * t[:, c]).sum() / (p[:, c].sum() + t[:, c].sum()) for c in present]
    return np.average(losses, weights=None if weights is None else [float(weights[c]) for c in present])


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0, 7.0])])
@pytest.mark.parametrize("seed", range(3))
def test_both_are_the_papers_formulas(weights, seed):
    probabilities, labels = some(seed=seed)
    assert lovasz_softmax(probabilities, labels, weights).item() == pytest.approx(
        lovasz_of_paper(probabilities, labels, weights), rel=1e-5
    )
    for smoothing in (0.0, 0.1):
        assert soft_dice(probabilities, labels, weights, smoothing).item() == pytest.approx(
            dice_of_paper(probabilities, labels, weights, smoothing), rel=1e-5
        )


def test_by_hand():
    """Two pixels of class 0 with 0.75 and 0.5, one of class 1 with 0.5, one void that is sure of class 1."""
    probabilities = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.5, 0.5], [0.0, 1.0]])
    labels = torch.tensor([0, 0, 1, VOID])
    zero, one = 1 - 2 * 1.25 / (1.75 + 2), 1 - 2 * 0.5 / (1.25 + 1)
    assert soft_dice(probabilities, labels).item() == pytest.approx((zero + one) / 2)
    # class 0: errors 1/2 (inside), 1/2 (outside), 1/4: growth 1/2, 1/6, 1/3; class 1: 1/2, 1/2, 1/4: 1, 0, 0
    assert lovasz_softmax(probabilities, labels).item() == pytest.approx(((1 / 3 + 1 / 12) + 1 / 2) / 2)


def test_hard_predictions_lose_what_the_iou_lacks():
    labels, found = torch.tensor([0, 0, 0, 1, 1, VOID]), torch.tensor([0, 0, 1, 1, 0, 0])
    sure = torch.nn.functional.one_hot(found, 2).float()
    assert lovasz_softmax(sure, labels).item() == pytest.approx(1 - (2 / 4 + 1 / 3) / 2)
    assert soft_dice(sure, labels).item() == pytest.approx(1 - (4 / 6 + 2 / 4) / 2)


def test_void_pixels_change_nothing():
    probabilities, labels = some()
    known = labels != VOID
    for loss in (soft_dice, lovasz_softmax):
        assert loss(probabilities, labels).item() == pytest.approx(loss(probabilities[known], labels[known]).item())


def test_the_hardest_pixels_by_hand():
    surprise = torch.tensor([0.1, 2.0, 1.0, 9.0, 3.0])
    known = torch.tensor([True, True, True, False, True])
    assert hardest(surprise, known, 0.5).tolist() == [False, True, False, False, True]
    assert hardest(surprise, known, 0.01).tolist() == [False, False, False, False, True], "at least one"
    assert hardest(surprise, known, 1.0).tolist() == known.tolist()
    least = math.exp(-0.5)  # a probability below e^-0.5 is a surprise above 0.5
    assert hardest(surprise, known, 0.25, least).tolist() == [False, True, True, False, True]
    assert not hardest(surprise, torch.zeros(5, dtype=torch.bool), 0.5, least).any()


def test_ohem_averages_the_hardest_pixels():
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1, 0, 0] = math.log(3)  # the first pixel is right with 3/4, the two others with 1/2; one is void
    labels = torch.tensor([[[1, 0], [VOID, 0]]], dtype=torch.uint8)
    assert PixelCrossEntropy(ohem=0.67)(logits, labels).item() == pytest.approx(math.log(2))
    both = PixelCrossEntropy(ohem=0.3, ohem_threshold=0.8)(logits, labels).item()
    assert both == pytest.approx((math.log(4 / 3) + 2 * math.log(2)) / 3), "all are below 0.8"


def test_terms_sum_up_and_are_named():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    labels = torch.randint(0, 3, (2, 8, 8), generator=generator).to(torch.uint8)
    loss = PixelCrossEntropy(dice=2.0, lovasz=0.5, stride=2)
    terms = loss.terms(logits, labels)
    assert list(terms) == ["cross_entropy", "dice", "lovasz"]
    assert loss(logits, labels).item() == pytest.approx(sum(term.item() for term in terms.values()))
    alone = PixelCrossEntropy(cross_entropy=0.0, dice=1.0, stride=2)(logits, labels)
    torch.testing.assert_close(terms["dice"], 2 * alone)
    torch.testing.assert_close(terms["cross_entropy"], PixelCrossEntropy(stride=2)(logits, labels))


def test_nothing_but_void_is_no_loss_and_no_gradient():
    for settings in ({"ohem": 0.2, "ohem_threshold": 0.5}, {"dice": 1.0, "lovasz": 1.0}, {"dice": 1.0, "ohem": 0.1}):
        logits = torch.randn(1, 3, 4, 4, requires_grad=True)
        loss = PixelCrossEntropy(label_smoothing=0.1, **settings)(logits, torch.full((1, 8, 8), VOID).byte())
        loss.backward()
        assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ohem": 0.0}, r"ohem=0\.0 must be above 0 and at most 1"),
        ({"ohem_threshold": 0.7}, r"ohem_threshold=0\.7 has no effect with task\.loss\.ohem=1"),
        ({"cross_entropy": 0.0}, r"cross_entropy=0\.0, dice=0\.0, lovasz=0\.0: weights are from 0 on, one at least"),
        ({"dice": -1.0}, r"dice=-1\.0"),
        ({"label_smoothing": 0.1, "cross_entropy": 0.0, "lovasz": 1.0}, "label_smoothing=0.1 has no effect"),
        ({"ohem": 0.5, "cross_entropy": 0.0, "dice": 1.0}, r"picks pixels of the cross-entropy, whose weight is 0"),
    ],
)
def test_what_cannot_be_meant(settings, message):
    with pytest.raises(ValueError, match=message):
        PixelCrossEntropy(**settings)
