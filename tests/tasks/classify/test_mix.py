"""Mixup and CutMix: pixels and shares by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tasks.classify.mix import Mix


def batch(count: int = 4, size: int = 16):
    """Images each of one grey, so that a pixel says whose it is."""
    greys = torch.arange(count, dtype=torch.uint8) * 60
    images = greys.view(-1, 1, 1, 1).expand(count, 3, size, size).contiguous(memory_format=torch.channels_last)
    return images, torch.arange(count)


def test_overlay_by_hand():
    images, _ = batch()
    mixed, share = Mix.overlay(images, 0.75)
    assert share == 0.75 and mixed.dtype == torch.uint8
    assert mixed[1].unique().tolist() == [45] and mixed[0].unique().tolist() == [45]  # 0.75*60 + 0.25*0; 0.25*180


def test_paste_shares_are_the_pixels_that_are_there():
    images, _ = batch()
    for seed in range(20):
        torch.manual_seed(seed)
        mixed, share = Mix.paste(images, 0.6)
        for row in range(4):
            values = mixed[row, 0].flatten().tolist()
            assert values.count(row * 60) / len(values) == pytest.approx(share)
            assert set(values) <= {row * 60, (row - 1) % 4 * 60}


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_labels_become_the_shares_of_the_pixels(options):
    images, labels = batch()
    mix = Mix(**options)
    seen = set()
    for seed in range(30):
        torch.manual_seed(seed)
        mixed, shares = mix(images, labels, 6)
        assert shares.shape == (4, 6) and torch.allclose(shares.sum(1), torch.ones(4))
        # the mean grey of an image is its shares' mean of the greys, whichever kind of mixing it was
        expected = shares[:, :4] @ (torch.arange(4.0) * 60)
        assert torch.allclose(mixed.float().mean((1, 2, 3)), expected, atol=0.51)
        seen.add(len(mixed[1].unique()))
    assert (1 in seen) >= ("mixup" in options) and (2 in seen) == ("cutmix" in options), "each kind comes up"
    assert mixed.is_contiguous(memory_format=torch.channels_last)


def test_nothing_wanted_changes_nothing():
    images, labels = batch()
    for mix in (Mix(), Mix(mixup=1.0, probability=0.0)):
        mixed, same = mix(images, labels, 4)
        assert mixed is images and same is labels


@pytest.mark.parametrize(
    ("options", "message"),
    [({"mixup": -1}, "must not be negative"), ({"probability": 2}, "probability=2 must lie between 0 and 1")],
)
def test_wrong_settings_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        Mix(**options)


def test_cross_entropy_takes_both_kinds_of_labels():
    logits, labels = torch.randn(4, 5), torch.arange(4)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    torch.testing.assert_close(criterion(logits, labels), criterion(logits, F.one_hot(labels, 5).float()))
