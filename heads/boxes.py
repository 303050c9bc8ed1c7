"""Boxes: a detector's results, and the position of a file's image in the network's input. Boxes are absolute xyxy."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Places(NamedTuple):
    """Position of each file's image in the network's input, after resizing and padding.

    Attributes:
        boxes: (N, 4) float32 x, y, width, height, in pixels of the input.
        sizes: (N, 2) float32 height, width of the file's image in its own pixels.
    """

    boxes: Tensor
    sizes: Tensor

    def to_files(self, boxes: Tensor) -> Tensor:
        """Convert boxes (N, D, 4) from the inputs' pixels to the files' pixels, clipped to the files' images."""
        x, y, width, height = (value[:, None] for value in self.boxes.unbind(1))
        files_height, files_width = (value[:, None] for value in self.sizes.unbind(1))
        across, down = files_width / width, files_height / height
        left, top, right, bottom = boxes.unbind(2)
        return torch.stack(
            (
                ((left - x) * across).clamp(min=0).minimum(files_width),
                ((top - y) * down).clamp(min=0).minimum(files_height),
                ((right - x) * across).clamp(min=0).minimum(files_width),
                ((bottom - y) * down).clamp(min=0).minimum(files_height),
            ),
            2,
        )

    def to_seen(self, boxes: Tensor) -> Tensor:
        """Convert boxes (N, D, 4) from the files' pixels to the inputs' pixels."""
        x, y, width, height = (value[:, None] for value in self.boxes.unbind(1))
        across, down = width / self.sizes[:, 1:], height / self.sizes[:, :1]
        left, top, right, bottom = boxes.unbind(2)
        return torch.stack((left * across + x, top * down + y, right * across + x, bottom * down + y), 2)


class Detections(NamedTuple):
    """Boxes found in a batch, best first; images with fewer boxes are padded.

    Attributes:
        boxes: (N, D, 4) float32, absolute xyxy.
        scores: (N, D) float32, 0 for padding.
        labels: (N, D) int64 class numbers from 0, without background; -1 for padding.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor

    def of(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (K, 4), scores (K) and labels (K) of one image, without padding."""
        count = int((self.labels[row] >= 0).sum())
        return self.boxes[row, :count], self.scores[row, :count], self.labels[row, :count]


WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # SSD's variances 0.1 and 0.2, inverted
LARGEST = math.log(1000 / 16)  # limits how much larger than its anchor a box is: exp() stays finite


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets (…, 4) that `decode` turns into the boxes (…, 4), both absolute xyxy (SSD, equation 2)."""
    size, target = anchors[..., 2:] - anchors[..., :2], boxes[..., 2:] - boxes[..., :2]
    centre, target_centre = anchors[..., :2] + 0.5 * size, boxes[..., :2] + 0.5 * target
    near, large = WEIGHTS[0], WEIGHTS[2]  # of x and y, of width and height: Python numbers need no device sync
    return torch.cat((near * (target_centre - centre) / size, large * torch.log(target / size)), -1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Boxes (…, 4), absolute xyxy, from offsets and their anchors; rounded like torchvision's coder."""
    size = anchors[..., 2:] - anchors[..., :2]
    near, large = WEIGHTS[0], WEIGHTS[2]
    centre = offsets[..., :2] / near * size + (anchors[..., :2] + 0.5 * size)
    half = 0.5 * (torch.exp((offsets[..., 2:] / large).clamp(max=LARGEST)) * size)
    return torch.cat((centre - half, centre + half), -1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Clip boxes (…, 4) to an image of this (height, width)."""
    height, width = size
    if boxes.device.type == "cpu":
        return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
    across, down = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)  # copies no number to the device
    return torch.stack((across, down), -1).flatten(-2)
