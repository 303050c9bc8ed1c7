"""Loss, prediction and pictures of segmentation, by hand."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from backbones.base import Feature
from heads.boxes import Places
from heads.lraspp import LRASPP
from tasks.common.errors import UserError
from tasks.data.datasets.cityscapes_classes import CLASSES
from tasks.segment.draw import colourise, draw, errors, overlay
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.task import SegmentTask

FEATURES = {"c3_depthwise": Feature(8, 8), "c5": Feature(8, 32)}
NAMES, COLOURS = [c.name for c in CLASSES], [c.colour for c in CLASSES]


def test_loss_is_torchs_at_full_size():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 4, 6, generator=generator)
    labels = torch.randint(0, 5, (2, 32, 48), generator=generator).to(torch.uint8)
    labels[:, :7] = 255
    resized = F.interpolate(logits, (32, 48), mode="bilinear", align_corners=False)
    expected = F.cross_entropy(resized, labels.long(), ignore_index=255)
    torch.testing.assert_close(PixelCrossEntropy()(logits, labels), expected)


def test_loss_by_hand_and_at_a_stride():
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 1, 0, 0] = math.log(3)  # class 1 three times as likely in one of four cells
    labels = torch.tensor([[[1, 0], [255, 0]]], dtype=torch.uint8)
    expected = (math.log(4 / 3) + 2 * math.log(2)) / 3
    assert PixelCrossEntropy()(logits, labels).item() == pytest.approx(expected)
    coarse = labels.repeat_interleave(4, 1).repeat_interleave(4, 2)
    assert PixelCrossEntropy(stride=4)(logits, coarse).item() == pytest.approx(expected)


def test_a_stride_reads_the_label_in_the_middle_of_each_cell():
    labels = torch.full((1, 8, 8), 255, dtype=torch.uint8)
    labels[0, 2, 2], labels[0, 2, 6], labels[0, 6, 2], labels[0, 6, 6] = 0, 1, 1, 1
    logits = torch.zeros(1, 2, 2, 2)
    logits[0, 0, 0, 0] = math.log(3)  # right in the first of the four cells
    expected = (math.log(4 / 3) + 3 * math.log(2)) / 4
    assert PixelCrossEntropy(stride=4)(logits, labels).item() == pytest.approx(expected)
    labels[0, 3::4, 3::4] = 0  # beside the middle: not read
    assert PixelCrossEntropy(stride=4)(logits, labels).item() == pytest.approx(expected)


def test_nothing_but_void_is_no_loss():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = PixelCrossEntropy()(logits, torch.full((1, 8, 8), 255, dtype=torch.uint8))
    loss.backward()
    assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


def test_balance_weighs_rare_classes_by_hand():
    loss = PixelCrossEntropy(balance=0.5)
    with pytest.raises(ValueError, match=r"task\.loss\.balance=2 must lie between 0 and 1"):
        PixelCrossEntropy(balance=2)
    loss.weigh(torch.tensor([90, 10, 0]))
    root = [0.9**-0.5, 0.1**-0.5]
    mean = 0.9 * root[0] + 0.1 * root[1]
    torch.testing.assert_close(loss.weights, torch.tensor([root[0] / mean, root[1] / mean, 0.0]))
    logits = torch.zeros(1, 3, 1, 2)
    labels = torch.tensor([[[0, 1]]], dtype=torch.uint8)
    assert loss(logits, labels).item() == pytest.approx(math.log(3) * (root[0] + root[1]) / mean / 2)


def test_wrong_stride():
    with pytest.raises(ValueError, match="stride=0 must be 1 or more"):
        PixelCrossEntropy(stride=0)


def test_pictures_show_the_colours_where_they_belong():
    labels, truth = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    labels[:, 30:], truth[:, 40:], truth[0] = 13, 13, 255
    assert tuple(colourise(labels, COLOURS)[5, 35]) == (0, 0, 142) and tuple(colourise(truth, COLOURS)[0, 0]) == (
        0,
        0,
        0,
    )
    image = np.full((40, 60, 3), 100, np.uint8)
    wrong = errors(image, labels, truth)
    assert tuple(wrong[5, 35]) == (255, 48, 48) and tuple(wrong[5, 50]) == tuple(wrong[5, 5]) == (40, 40, 40)
    assert tuple(wrong[0, 35]) == (0, 0, 0), "void is no error"
    picture = draw(image, labels, truth, NAMES, COLOURS)
    assert isinstance(picture, Image.Image) and picture.width == 2 * 60 + 4 and picture.height > 2 * 40
    assert draw(image, labels, None, NAMES, COLOURS).height < picture.height
    blended = np.array(overlay(image, labels, COLOURS, opacity=0.5))
    assert tuple(blended[5, 35]) == (50, 50, 121)


@pytest.fixture
def task():
    return SegmentTask(FEATURES, LRASPP, PixelCrossEntropy(), CLASSES)


def places(*sizes, box=(0, 0, 64, 32)):
    return Places(torch.tensor([box] * len(sizes)).float(), torch.tensor(sizes).float())


def test_label_maps_of_files_come_straight_from_the_logits(task):
    logits = torch.randn(2, len(CLASSES), 4, 8, generator=torch.Generator().manual_seed(0))
    seen = task.predict(logits, (32, 64))
    assert torch.equal(seen, F.interpolate(logits, (32, 64), mode="bilinear").argmax(1))
    labels = task.predict(logits, (32, 64), places((50, 70), (50, 70)))
    assert labels.dtype == torch.uint8
    assert torch.equal(labels, F.interpolate(logits, (50, 70), mode="bilinear").argmax(1))
    stretched = F.interpolate(seen[:, None].float(), (50, 70), mode="nearest")[:, 0]
    assert not torch.equal(labels, stretched), "the seen size would have been a detour"


def test_files_of_several_sizes_have_no_common_label_map(task):
    with pytest.raises(UserError, match=r"one size, the files have several: 48×70, 50×70$"):
        task.predict(torch.zeros(3, 19, 4, 8), (32, 64), places((50, 70), (48, 70), (50, 70)))


@pytest.mark.parametrize("box", [(0, 4, 64, 24), (8, 0, 48, 32), (0, 0, 32, 64)])
def test_label_maps_need_images_that_fill_the_input(task, box):
    with pytest.raises(UserError, match=r"fill the network's input: use data\.fit=Stretch"):
        task.predict(torch.zeros(1, 19, 4, 8), (32, 64), places((50, 70), box=box))


def test_picture_has_the_size_of_the_label_maps(task):
    labels = torch.zeros(60, 80, dtype=torch.uint8)
    image = torch.full((3, 32, 64), 100, dtype=torch.uint8)
    image[:, :, 32:] = 200
    picture = np.asarray(task.picture(image, labels, labels))
    assert picture.shape[1] == 2 * 80 + 4
    assert tuple(picture[50, 5]) == (100, 100, 100) and tuple(picture[50, 75]) == (200, 200, 200)
