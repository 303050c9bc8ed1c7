"""Matching and SSD's loss, forward and backward, of 32 images with 3,234 anchors and 91 classes: ours, torchvision's.

    python -m benchmarks.multibox

torchvision has no other: its loss already treats all images together, and only the matching goes image by image.
"""

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.ops import box_iou

from benchmarks.select_boxes import CELLS, IMAGES, OUTPUTS, SIZE
from benchmarks.timing import alternate, report
from heads import anchors
from heads.ssdlite import RawBoxes
from tasks.common.cpu import keep_freed_memory
from tasks.detect.multibox import SoftmaxMultiBox

MOST = 20  # boxes per image


class Launches(TorchDispatchMode):
    """Counts operators, including views and the backward pass."""

    count = 0

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        self.count += 1
        return function(*arguments, **(keywords or {}))


def truths() -> Tensor:
    """(N, T, 5): boxes of all sizes, 0 to 20 per image."""
    boxes = torch.zeros(IMAGES, MOST, 5)
    boxes[..., 4] = -1
    for image in range(IMAGES):
        count = image * MOST // (IMAGES - 1)
        corner = 250 * torch.rand(count, 2)
        boxes[image, :count, :4] = torch.cat((corner, (corner + 8 + 250 * torch.rand(count, 2) ** 2)), 1).clamp(max=320)
        boxes[image, :count, 4] = torch.randint(0, OUTPUTS - 1, (count,)).float()
    return boxes


def main() -> None:
    keep_freed_memory()  # helps both sides equally, as in training
    torch.manual_seed(0)
    made = anchors.torchvision(6).boxes(CELLS, SIZE, "cpu")
    logits = torch.randn(IMAGES, len(made), OUTPUTS, requires_grad=True)
    offsets = torch.randn(IMAGES, len(made), 4, requires_grad=True)
    boxes = truths()
    targets = [{"boxes": b[b[:, 4] >= 0, :4], "labels": b[b[:, 4] >= 0, 4].long() + 1} for b in boxes]
    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    criterion = SoftmaxMultiBox(least_negatives=0)

    def ours() -> tuple[Tensor, ...]:
        loss = criterion(RawBoxes(logits, offsets, ()), made, boxes)
        return loss, *torch.autograd.grad(loss, (logits, offsets))

    def rival() -> tuple[Tensor, ...]:
        matched = [
            theirs.proposal_matcher(box_iou(target["boxes"], made))
            if len(target["boxes"])
            else torch.full((len(made),), -1)
            for target in targets
        ]
        outputs = {"cls_logits": logits, "bbox_regression": offsets}
        loss = sum(theirs.compute_loss(targets, outputs, [made] * IMAGES, matched).values())
        return loss, *torch.autograd.grad(loss, (logits, offsets))

    for one, other in zip(ours(), rival(), strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-8), "loss or gradients differ"
    counts = []
    for side in (ours, rival):
        with Launches() as launches:
            side()
        counts.append(launches.count)
    sides = {f"ours, {counts[0]} launches": ours, f"torchvision, {counts[1]} launches": rival}
    report("the same loss and gradients", alternate(sides, rounds=25))


if __name__ == "__main__":
    main()
