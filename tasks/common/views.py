"""Views of an image whose results are averaged in scoring and prediction: mirrored, and at other scales."""

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class View(NamedTuple):
    """One view of a batch of images.

    Attributes:
        scale: of the sides, relative to the network's usual input.
        mirrored: left and right swapped.
    """

    scale: float = 1.0
    mirrored: bool = False

    def of(self, images: Tensor) -> Tensor:
        """The view of images (N, 3, H, W) uint8 or floats: (N, 3, h, w) of the same type; PLAIN is the images."""
        if self.scale != 1:
            images = resized(images, self.scale)
        return images.flip(-1) if self.mirrored else images


PLAIN, MIRRORED = View(), View(mirrored=True)


def resized(images: Tensor, scale: float) -> Tensor:
    """Resize images (N, 3, H, W) by a factor, antialiased when they shrink; bytes are rounded to bytes."""
    size = [max(1, round(side * scale)) for side in images.shape[-2:]]
    pixels = images.float()
    if pixels.device.type == "mps":  # without antialiasing there
        pixels = pixels.cpu()
    pixels = F.interpolate(pixels, size, mode="bilinear", align_corners=False, antialias=scale < 1)
    if not images.is_floating_point():
        pixels = pixels.round().clamp(0, 255)
    return pixels.to(images.device, images.dtype)
