"""Matching and losses: against torchvision, and by hand."""

import pytest
import torch
from lightning.pytorch.plugins.precision import HalfPrecision
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import (
    box_iou,
    complete_box_iou_loss,
    distance_box_iou_loss,
    generalized_box_iou_loss,
    sigmoid_focal_loss,
)

from heads import anchors as shapes
from heads.boxes import encode
from heads.ssdlite import RawBoxes
from tasks.detect import multibox
from tasks.detect.assign import assign
from tasks.detect.box_losses import ciou_loss, diou_loss, giou_loss
from tasks.detect.matchers import ATSS, TaskAligned
from tasks.detect.multibox import FocalMultiBox, SoftmaxMultiBox
from tasks.detect.soft_labels import QualityFocalMultiBox, VarifocalMultiBox

SIZE = (160, 160)
ANCHORS = shapes.paper(3).boxes([(10, 10), (5, 5), (3, 3)], SIZE, "cpu")
CLASSES = 7


def truths(images: int, most: int = 9) -> torch.Tensor:
    """Boxes (N, T, 5); the first image has none."""
    boxes = torch.zeros(images, most, 5)
    boxes[..., 4] = -1
    for image in range(1, images):
        count = int(torch.randint(1, most + 1, ()))
        corner = torch.rand(count, 2) * 100
        boxes[image, :count, :4] = torch.cat((corner, corner + 5 + 50 * torch.rand(count, 2)), 1)
        boxes[image, :count, 4] = torch.randint(0, CLASSES, (count,)).float()
    return boxes


def raw(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    logits = torch.randn(images, len(ANCHORS), CLASSES + 1, requires_grad=True)
    return logits, torch.randn(images, len(ANCHORS), 4, requires_grad=True)


@pytest.mark.parametrize("seed", range(5))
def test_matching_and_loss_are_torchvisions(seed):
    torch.manual_seed(seed)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=CLASSES + 1)
    boxes, (logits, offsets) = truths(6), raw(6)
    targets = [{"boxes": b[b[:, 4] >= 0, :4], "labels": b[b[:, 4] >= 0, 4].long() + 1} for b in boxes]
    matched = [torch.full((len(ANCHORS),), -1)]
    matched += [theirs.proposal_matcher(box_iou(target["boxes"], ANCHORS)) for target in targets[1:]]
    assert torch.equal(assign(boxes, ANCHORS), torch.stack(matched))
    outputs = {"cls_logits": logits, "bbox_regression": offsets}
    expected = sum(theirs.compute_loss(targets, outputs, [ANCHORS] * 6, matched).values())
    loss = SoftmaxMultiBox(least_negatives=0)(RawBoxes(logits, offsets, ()), ANCHORS, boxes)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, their in zip(
        torch.autograd.grad(loss, (logits, offsets)), torch.autograd.grad(expected, (logits, offsets)), strict=True
    ):
        assert torch.allclose(ours, their, atol=1e-8)


@pytest.mark.parametrize("precision", ["bf16-true", "16-true"])
def test_training_in_half_precision_matches_in_float32(precision):
    """Lightning converts a batch's boxes and sets PyTorch's default type."""
    torch.manual_seed(0)
    half = HalfPrecision(precision)
    boxes, (logits, offsets) = truths(4).round(), raw(4)
    wanted = SoftmaxMultiBox()(RawBoxes(logits, offsets, ()), ANCHORS, boxes)
    with half.train_step_context():
        anchors = shapes.paper(3).boxes([(10, 10), (5, 5), (3, 3)], SIZE, "cpu")
        boxes = half.convert_input(boxes)
        assert torch.equal(anchors, ANCHORS) and torch.equal(assign(boxes, anchors), assign(boxes.float(), ANCHORS))
        loss = SoftmaxMultiBox()(RawBoxes(*half.convert_input((logits, offsets)), ()), anchors, boxes)
    assert boxes.dtype != torch.float32 and loss.dtype == torch.float32
    torch.testing.assert_close(loss, wanted, rtol=0.02, atol=0)


def test_two_truths_that_share_their_best_anchor():
    anchors = torch.tensor([[0.0, 0, 10, 10], [100, 100, 110, 110]])
    boxes = torch.tensor([[[0.0, 0, 9, 9, 3], [0, 0, 8, 8, 1], [0, 0, 0, 0, -1]]])
    assert assign(boxes, anchors).tolist() == [[1, -1]]  # the last of them, although the first overlaps more


def test_every_truth_has_an_anchor_however_little_they_overlap():
    anchors = torch.tensor([[0.0, 0, 10, 10], [20, 20, 40, 40]])
    boxes = torch.tensor([[[39.0, 39, 60, 60, 0]]])
    assert assign(boxes, anchors).tolist() == [[-1, 0]]


def test_a_batch_without_boxes_still_learns_what_background_is():
    boxes = truths(1)
    logits, offsets = raw(1)
    SoftmaxMultiBox(least_negatives=3)(RawBoxes(logits, offsets, ()), ANCHORS, boxes).backward()
    assert (logits.grad.abs().sum(2) > 0).sum() == 3 and (offsets.grad is None or not offsets.grad.any())
    logits, offsets = raw(1)
    loss = SoftmaxMultiBox(least_negatives=0)(RawBoxes(logits, offsets, ()), ANCHORS, boxes)
    assert loss.item() == 0
    loss.backward()
    logits, offsets = raw(1)
    assert FocalMultiBox()(RawBoxes(logits, offsets, ()), ANCHORS, boxes) > 0


def test_focal_loss_is_torchvisions():
    torch.manual_seed(0)
    boxes, (logits, offsets) = truths(4), raw(4)
    matched = assign(boxes, ANCHORS)
    targets = torch.zeros_like(logits)
    located = 0.0
    for image, anchor in (matched >= 0).nonzero().tolist():
        truth = boxes[image, matched[image, anchor]]
        targets[image, anchor, int(truth[4]) + 1] = 1
        difference = offsets[image, anchor] - encode(truth[:4], ANCHORS[anchor])
        located += torch.nn.functional.smooth_l1_loss(difference, torch.zeros(4), reduction="sum")
    classified = sigmoid_focal_loss(logits, targets, alpha=0.75, gamma=2, reduction="sum")
    expected = (0.25 * located + classified) / (matched >= 0).sum()
    loss = FocalMultiBox(box_weight=0.25)(RawBoxes(logits, offsets, ()), ANCHORS, boxes)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "loss",
    [
        *(SoftmaxMultiBox(), SoftmaxMultiBox(box="giou"), FocalMultiBox(), FocalMultiBox(box="diou")),
        *(QualityFocalMultiBox(box="ciou"), VarifocalMultiBox()),
    ],
)
def test_perfect_outputs_cost_next_to_nothing(loss):
    torch.manual_seed(0)
    boxes = truths(3)
    matched = assign(boxes, ANCHORS)
    logits, offsets = torch.full((3, len(ANCHORS), CLASSES + 1), -20.0), torch.zeros(3, len(ANCHORS), 4)
    logits[..., 0] = 20 if isinstance(loss, SoftmaxMultiBox) else -20
    for image, anchor in (matched >= 0).nonzero().tolist():
        truth = boxes[image, matched[image, anchor]]
        logits[image, anchor, 0], logits[image, anchor, int(truth[4]) + 1] = -20, 20
        offsets[image, anchor] = encode(truth[:4], ANCHORS[anchor])
    assert loss(RawBoxes(logits, offsets, ()), ANCHORS, boxes) < 1e-3
    scores = loss.scores(logits)
    assert scores.shape[2] == CLASSES
    assert torch.equal(scores.max(2).values > 0.5, matched >= 0)


class Launches(TorchDispatchMode):
    """Counts operators, those of the backward pass too."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.count += 1
        return function(*arguments, **(keywords or {}))


def test_launches_do_not_grow_with_the_batch():
    for images in (2, 16):
        boxes, (logits, offsets) = truths(images), raw(images)
        with Launches() as launches:
            SoftmaxMultiBox()(RawBoxes(logits, offsets, ()), ANCHORS, boxes).backward()
        assert launches.count <= 160


@pytest.mark.parametrize(
    "loss",
    [
        *(SoftmaxMultiBox(), SoftmaxMultiBox(box="giou", negatives=500), FocalMultiBox(), FocalMultiBox(box="ciou")),
        *(QualityFocalMultiBox(), QualityFocalMultiBox(box="diou", match=TaskAligned(claim=True))),
        *(VarifocalMultiBox(match=ATSS(claim=True)), SoftmaxMultiBox(match=TaskAligned())),
    ],
)
def test_masks_of_all_anchors_give_what_the_rows_of_some_do(loss, monkeypatch):
    torch.manual_seed(1)
    boxes, (logits, offsets) = truths(5), raw(5)
    boxes[:, 5:, :4] = float("nan")  # where there is no box, anything may stand
    boxes[:, 5:, 4] = -1
    found = []
    for rows in (multibox.looked_at, lambda _mask: slice(None)):
        monkeypatch.setattr(multibox, "looked_at", rows)
        value = loss(RawBoxes(logits, offsets, ()), ANCHORS, boxes)
        found.append((value, *torch.autograd.grad(value, (logits, offsets))))
    for of_rows, of_all in zip(*found, strict=True):
        torch.testing.assert_close(of_all, of_rows, rtol=1e-6, atol=1e-9)
        assert of_all.isfinite().all()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (giou_loss, generalized_box_iou_loss),
        (diou_loss, distance_box_iou_loss),
        (ciou_loss, complete_box_iou_loss),
    ],
)
def test_losses_of_boxes_are_torchvisions(ours, theirs):
    torch.manual_seed(0)
    corners = torch.rand(2, 200, 2) * 40
    one, other = torch.cat((corners, corners + 1 + 30 * torch.rand(2, 200, 2)), 2).requires_grad_().unbind()
    found = [loss(one, other) for loss in (ours, theirs)]
    torch.testing.assert_close(*found)
    torch.testing.assert_close(*(torch.autograd.grad(loss.sum(), one)[0] for loss in found))


@pytest.mark.parametrize("loss", [giou_loss, ciou_loss])
def test_losses_of_boxes_ask_the_device_for_no_number(loss):
    one = torch.tensor([[0.0, 0, 4, 4], [1, 1, 1, 5]], requires_grad=True)
    with torch.profiler.profile() as profile:
        loss(one, torch.tensor([[2.0, 2, 6, 6], [0, 0, 3, 3]])).sum().backward()
    assert not {"aten::item", "aten::_local_scalar_dense", "aten::nonzero"} & {event.key for event in profile.events()}


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="box=eiou is not one of smooth_l1, giou, diou, ciou"):
        FocalMultiBox(box="eiou")
    with pytest.raises(ValueError, match="threshold=0 must lie between"):
        SoftmaxMultiBox(threshold=0)
    with pytest.raises(ValueError, match=r"threshold=0\.7 is of match=iou: ATSS has no threshold"):
        SoftmaxMultiBox(threshold=0.7, match=ATSS())
    with pytest.raises(ValueError, match="match=iou matches no anchors"):
        SoftmaxMultiBox(match="iou")
    with pytest.raises(ValueError, match=r"match\.topk=0 must be"):
        ATSS(topk=0)
    with pytest.raises(ValueError, match=r"beta=0\.5 must be 1 or more"):
        QualityFocalMultiBox(beta=0.5)
