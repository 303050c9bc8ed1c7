"""The confusion matrix of one 1024 x 2048 pair, 19 classes, on one CPU thread: ours, torchvision's, torchmetrics'.

python -m benchmarks.confusion

Each side gets its usual input type: ours uint8 as read from disk, the others int64 (converted beforehand).
"""

import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchmetrics.classification import MulticlassJaccardIndex

from benchmarks.timing import alternate, report
from tasks.segment.miou import confusion

CLASSES, SHAPE = 19, (1024, 2048)
TRAIN_IDS = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
CAMVID = (
    Path(os.environ.get("DATA_ROOT", Path(__file__).parents[2] / "shared" / "data")) / "cityscapes-camvid/gtFine/val"
)


def torchvision_reference(labels: Tensor, truth: Tensor) -> Tensor:
    """The update in torchvision's references/segmentation/utils.py; rows are the truth."""
    valid = (truth >= 0) & (truth < CLASSES)
    pairs = CLASSES * truth[valid].to(torch.int64) + labels[valid]
    return torch.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def street() -> tuple[str, Tensor]:
    """A truth with the long runs of street scenes: a real one if the data exist, else thresholded smooth noise."""
    files = sorted(CAMVID.glob("*/*_gtFine_labelIds.png"))
    if not files:
        smooth = F.interpolate(torch.randn(1, CLASSES, 24, 48), SHAPE, mode="bicubic").argmax(1)[0].to(torch.uint8)
        smooth[torch.randn(SHAPE) > 2] = 255
        return "generated regions", smooth
    table = np.full(256, 255, np.uint8)
    table[list(TRAIN_IDS)] = list(TRAIN_IDS.values())
    truth = torch.from_numpy(table[np.array(Image.open(files[0]))])
    return f"{files[0].name} enlarged", F.interpolate(truth[None, None], SHAPE)[0, 0]


def pairs() -> dict[str, tuple[Tensor, Tensor]]:
    """Name -> (labels, truth), uint8."""
    torch.manual_seed(0)
    name, truth = street()
    labels = truth.roll((5, 7), (0, 1)) % CLASSES  # void becomes some class, as predictions have none
    border = F.max_pool2d((truth != labels)[None, None].float(), 9, 1, 4)[0, 0] > 0
    noisy = border & (torch.rand(SHAPE) < 0.3)
    labels[noisy] = torch.randint(CLASSES, (int(noisy.sum()),), dtype=torch.uint8)
    random, noise = torch.randint(CLASSES, (2, *SHAPE), dtype=torch.uint8)
    noise[torch.rand(SHAPE) < 0.05] = 255
    return {f"{name}, shifted, noisy at borders": (labels, truth), "noise": (random, noise)}


def main() -> None:
    torch.set_num_threads(1)
    for name, (labels, truth) in pairs().items():
        jaccard = MulticlassJaccardIndex(num_classes=CLASSES, ignore_index=255)
        wide_labels, wide_truth = labels.long(), truth.long()
        jaccard.update(wide_labels, wide_truth)
        expected = torchvision_reference(wide_labels, wide_truth)
        assert torch.equal(confusion(labels, truth, CLASSES), expected), "ours differs from torchvision's"
        assert torch.equal(jaccard.confmat, expected), "torchmetrics' differs from torchvision's"
        sides: dict[str, Callable[[], object]] = {
            "ours": partial(confusion, labels, truth, CLASSES),
            "torchvision references/segmentation": partial(torchvision_reference, wide_labels, wide_truth),
            "torchmetrics MulticlassJaccardIndex.update": partial(jaccard.update, wide_labels, wide_truth),
        }
        report(f"{name}: equal matrices (CPU time, one thread)", alternate(sides, clock=time.thread_time))


if __name__ == "__main__":
    main()
