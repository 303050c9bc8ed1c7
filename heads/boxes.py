"""Boxes: what a detector gives, and where an image's file lies in what the network saw. Boxes are absolute xyxy."""

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
