"""Boxes: what a detector gives, and where an image's file lies in what the network saw. Boxes are absolute xyxy."""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Places(NamedTuple):
    """Where each file's image lies in the image that the network sees, after resizing and padding.

    Attributes:
        boxes: (N, 4) float32 x, y, width, height, in the seen image's pixels.
        sizes: (N, 2) float32 height, width of the file's image in its own pixels.
    """

    boxes: Tensor
    sizes: Tensor

    def to_files(self, boxes: Tensor) -> Tensor:
        """Boxes (N, D, 4) of the seen images in the files' pixels, clipped to the files' images."""
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
        """Boxes (N, D, 4) of the files' images in the seen images' pixels."""
        x, y, width, height = (value[:, None] for value in self.boxes.unbind(1))
        across, down = width / self.sizes[:, 1:], height / self.sizes[:, :1]
        left, top, right, bottom = boxes.unbind(2)
        return torch.stack((left * across + x, top * down + y, right * across + x, bottom * down + y), 2)


class Detections(NamedTuple):
    """Boxes found in a batch, best first; images with fewer are filled up.

    Attributes:
        boxes: (N, D, 4) float32, absolute xyxy.
        scores: (N, D) float32, 0 where there is no box.
        labels: (N, D) int64 class numbers from 0, without background; -1 where there is no box.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor

    def of(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        """Boxes (K, 4), scores (K) and labels (K) of one image, without the filling."""
        count = int((self.labels[row] >= 0).sum())
        return self.boxes[row, :count], self.scores[row, :count], self.labels[row, :count]


WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # SSD's variances 0.1 and 0.2, inverted
LARGEST = math.log(1000 / 16)  # a box is never more than so much larger than its anchor: exp() stays finite


def encode(boxes: Tensor, anchors: Tensor) -> Tensor:
    """Offsets (…, 4) that `decode` turns into the boxes (…, 4), both absolute xyxy (SSD, equation 2)."""
    size, target = anchors[..., 2:] - anchors[..., :2], boxes[..., 2:] - boxes[..., :2]
    centre, target_centre = anchors[..., :2] + 0.5 * size, boxes[..., :2] + 0.5 * target
    near, large = WEIGHTS[0], WEIGHTS[2]  # of x and y, of width and height: numbers, which a device need not wait for
    return torch.cat((near * (target_centre - centre) / size, large * torch.log(target / size)), -1)


def decode(offsets: Tensor, anchors: Tensor) -> Tensor:
    """Boxes (…, 4), absolute xyxy, from offsets and their anchors; the same roundings as torchvision's coder."""
    size = anchors[..., 2:] - anchors[..., :2]
    near, large = WEIGHTS[0], WEIGHTS[2]
    centre = offsets[..., :2] / near * size + (anchors[..., :2] + 0.5 * size)
    half = 0.5 * (torch.exp((offsets[..., 2:] / large).clamp(max=LARGEST)) * size)
    return torch.cat((centre - half, centre + half), -1)


def clip(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (…, 4) inside an image of this (height, width)."""
    height, width = size
    return boxes.clamp(min=0).minimum(boxes.new_tensor([width, height, width, height]))
