"""Offsets, places and the selection of boxes: by hand, and against torchvision."""

import pytest
import torch
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection._utils import BoxCoder

from heads.boxes import Places, clip, decode, encode
from heads.select import Select, rank_in_class


def some_boxes(count: int, side: float = 300) -> torch.Tensor:
    corner = torch.rand(count, 2) * side
    return torch.cat((corner, corner + 1 + torch.rand(count, 2) * side / 3), 1)


def softmax(logits: torch.Tensor) -> torch.Tensor:
    return logits.softmax(-1)[..., 1:]


def as_they_are(scores: torch.Tensor) -> torch.Tensor:
    return scores


def test_offsets_by_hand():
    anchor, box = torch.tensor([[0.0, 0, 10, 20]]), torch.tensor([[5.0, 0, 15, 20]])
    assert encode(box, anchor).tolist() == [[5.0, 0.0, 0.0, 0.0]]  # ten times half a width
    assert decode(torch.tensor([[5.0, 0, 0, 0]]), anchor).tolist() == box.tolist()
    assert decode(torch.tensor([[0.0, 0, 1e9, 0]]), anchor)[0, 2] == pytest.approx(5 + 5 * 1000 / 16)


def test_offsets_are_torchvisions():
    torch.manual_seed(0)
    coder = BoxCoder((10.0, 10.0, 5.0, 5.0))
    anchors, boxes, offsets = some_boxes(500), some_boxes(500), torch.randn(500, 4)
    assert torch.equal(decode(offsets, anchors), coder.decode_single(offsets, anchors))
    assert torch.equal(encode(boxes, anchors), coder.encode_single(boxes, anchors))
    boxes = anchors + 3  # far larger ones are cut off on purpose
    assert torch.allclose(decode(encode(boxes, anchors), anchors), boxes, atol=1e-3)


def test_boxes_are_clipped_to_height_and_width():
    boxes = torch.tensor([[-5.0, -7, 90, 70], [10, 20, 30, 40], [85, 60, 95, 65]])
    assert clip(boxes, (60, 80)).tolist() == [[0, 0, 80, 60], [10, 20, 30, 40], [80, 60, 80, 60]]


def test_places_undo_letterboxing():
    # a file of 200 x 400 (h x w) seen at 100 x 100: scaled by 1/4, 25 rows above and below
    places = Places(torch.tensor([[0.0, 25, 100, 50]]), torch.tensor([[200.0, 400]]))
    seen = torch.tensor([[[10.0, 30, 20, 40], [0, 0, 100, 100]]])
    files = places.to_files(seen)
    assert files.tolist() == [[[40, 20, 80, 60], [0, 0, 400, 200]]]
    assert places.to_seen(files[:, :1]).tolist() == seen[:, :1].tolist()


def test_rank_in_class():
    assert rank_in_class(torch.tensor([2, 0, 2, 2, 0]), 3).tolist() == [0, 0, 1, 2, 1]


def test_selection_by_hand():
    anchors = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 60], [0, 0, 10, 10]])
    scores = torch.tensor([[[0.9, 0.2], [0.8, 0.0], [0.3, 0.0], [0.0, 0.05]]])
    found = Select(threshold=0.1, overlap=0.5)(scores, as_they_are, torch.zeros(1, 4, 4), anchors, (55, 55))
    assert found.labels.tolist() == [[0, 0, 1]]  # the second is the first's double, of the other class none is
    assert found.scores.tolist() == [pytest.approx([0.9, 0.3, 0.2])]
    assert found.boxes.tolist() == [[[0, 0, 10, 10], [50, 50, 55, 55], [0, 0, 10, 10]]]


def test_images_with_fewer_boxes_are_filled_up():
    anchors = some_boxes(3)
    scores = torch.zeros(3, 3, 1)
    scores[1, :, 0] = torch.tensor([0.5, 0.9, 0.7])
    found = Select(overlap=1.0)(scores, as_they_are, torch.zeros(3, 3, 4), anchors, (500, 500))
    assert found.labels.tolist() == [[-1] * 3, [0] * 3, [-1] * 3]
    assert len(found.of(0)[0]) == 0 and found.of(1)[1].tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert Select()(scores[:1], as_they_are, torch.zeros(1, 3, 4), anchors, (500, 500)).boxes.shape == (1, 0, 4)


@pytest.mark.parametrize("spread", [0.5, 2.0, 3.5, 5.0])  # from everything to little above the threshold
@pytest.mark.parametrize("detections, per_class", [(300, 300), (40, 15)])
def test_selection_is_torchvisions(spread, detections, per_class):
    torch.manual_seed(0)
    theirs = ssdlite320_mobilenet_v3_large(
        weights=None, weights_backbone=None, detections_per_img=detections, topk_candidates=per_class
    )
    anchors = clip(some_boxes(700), (320, 320))
    logits = spread * torch.randn(4, 700, 21)
    logits[..., 0] += 3 * spread
    logits[0, :, 1:] -= 1000  # nothing in the first image
    offsets = torch.randn(4, 700, 4)
    expected = theirs.postprocess_detections(
        {"cls_logits": logits, "bbox_regression": offsets}, [anchors] * 4, [(320, 320)] * 4
    )
    found = Select(detections=detections, per_class=per_class)(logits, softmax, offsets, anchors, (320, 320))
    for row, their in enumerate(expected):
        boxes, scores, labels = found.of(row)
        assert torch.equal(boxes, their["boxes"])
        assert torch.equal(scores, their["scores"])
        assert torch.equal(labels + 1, their["labels"])


@pytest.mark.parametrize("overlap", [0.3, 0.5, 0.55, 0.6])
def test_boxes_that_overlap_exactly_as_much_as_is_allowed(overlap):
    torch.manual_seed(0)
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, nms_thresh=overlap)
    anchors = torch.tensor([[0.0, 0, 100, 10], [0, 0, 30, 10], [0, 0, 50, 10], [0, 0, 55, 10], [0, 0, 60, 10]])
    logits = torch.tensor([[[0.0, 9], [0, 8], [0, 7], [0, 6], [0, 5]]])
    outputs = {"cls_logits": logits, "bbox_regression": torch.zeros(1, 5, 4)}
    expected = theirs.postprocess_detections(outputs, [anchors], [(320, 320)])[0]
    found = Select(overlap=overlap)(logits, softmax, torch.zeros(1, 5, 4), anchors, (320, 320))
    assert torch.equal(found.of(0)[0], expected["boxes"])


def test_of_equal_scores_the_lower_class_and_the_earlier_anchor_go_first():
    anchors = some_boxes(40)
    scores = torch.full((1, 40, 3), 0.5)
    found = Select(overlap=1.0, detections=30, per_class=25)(
        scores, as_they_are, torch.zeros(1, 40, 4), anchors, (500, 500)
    )
    assert found.labels.tolist() == [[0] * 25 + [1] * 5]
    assert torch.allclose(found.boxes[0, :25], clip(anchors[:25], (500, 500)), atol=1e-3)


def test_a_batch_is_its_images_one_by_one():
    torch.manual_seed(0)
    anchors, scores, offsets = some_boxes(50), torch.rand(3, 50, 4), torch.randn(3, 50, 4)
    together = Select()(scores, as_they_are, offsets, anchors, (320, 320))
    for row in range(3):
        alone = Select()(scores[row : row + 1], as_they_are, offsets[row : row + 1], anchors, (320, 320))
        for one, other in zip(together.of(row), alone.of(0), strict=True):
            assert torch.equal(one, other)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match=r"select\.overlap=1\.5 must lie between 0 and 1"):
        Select(overlap=1.5)
    with pytest.raises(ValueError, match="detections=0 must be a whole number from 1"):
        Select(detections=0)
