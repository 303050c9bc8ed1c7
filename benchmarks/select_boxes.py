"""Scores of 32 images, 3,234 anchors, 91 classes to 300 boxes each, one thread: ours against torchvision's.

    python -m benchmarks.select_boxes

torchvision's SSD suppresses in a loop over classes; the other side does it with one `batched_nms` per image.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from benchmarks.peers import batched
from benchmarks.timing import alternate, report
from heads import anchors
from heads.boxes import Detections
from heads.select import Select

SIZE, CELLS = (320, 320), [(20, 20), (10, 10), (5, 5), (3, 3), (2, 2), (1, 1)]
IMAGES, OUTPUTS = 32, 91


def scores(logits: Tensor) -> Tensor:
    return logits.softmax(-1)[..., 1:]


def ours(logits: Tensor, offsets: Tensor, boxes: Tensor) -> Detections:
    return Select()(logits, scores, offsets, boxes, SIZE)


def make(spread: float) -> tuple[Tensor, Tensor]:
    """Logits with a dominant background; the larger the spread, the fewer scores are above the threshold."""
    torch.manual_seed(0)
    logits = spread * torch.randn(IMAGES, 3234, OUTPUTS)
    logits[..., 0] += 4 * spread
    return logits, 0.5 * torch.randn(IMAGES, 3234, 4)


def assert_equal(found: Detections, expected: list[dict[str, Tensor]]) -> None:
    """Assert the same boxes, scores and labels; for equal scores in any order (torchvision's sort is unstable)."""
    for row, their in enumerate(expected):
        boxes, scores, labels = found.of(row)
        assert torch.equal(scores, their["scores"]), "scores differ"
        lines = [
            sorted(torch.cat((-s[:, None], k[:, None], b), 1).tolist())
            for s, k, b in ((scores, labels + 1, boxes), (their["scores"], their["labels"], their["boxes"]))
        ]
        assert lines[0] == lines[1], "boxes or labels differ"


def main() -> None:
    torch.set_num_threads(1)
    theirs: Any = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    boxes = anchors.torchvision(6).boxes(CELLS, SIZE, "cpu")
    for spread in (4.25, 3.2, 2.0):
        logits, offsets = make(spread)
        candidates = int((logits.softmax(2)[..., 1:] > 0.001).sum()) // IMAGES
        outputs = {"cls_logits": logits, "bbox_regression": offsets}
        rival = partial(theirs.postprocess_detections, outputs, [boxes] * IMAGES, [SIZE] * IMAGES)
        one_nms = partial(batched(theirs), outputs, [boxes] * IMAGES, [SIZE] * IMAGES)
        for peer in (rival, one_nms):
            assert_equal(ours(logits, offsets, boxes), peer())
        sides = {
            "ours": partial(ours, logits, offsets, boxes),
            "torchvision's postprocess_detections": rival,
            "torchvision's batched_nms, once per image": one_nms,
        }
        title = f"{candidates:,} candidates in each of {IMAGES} images: the same boxes"
        report(title, alternate(sides, rounds=3, warmup=1))


if __name__ == "__main__":
    main()
