"""Blending the images of a batch: mixup (Zhang et al., ICLR 2018) and CutMix (Yun et al., ICCV 2019)."""

import math

import torch
from torch import Tensor
from torch.distributions import Beta


class Mix:
    """Blends each image and its label with its neighbour's in the batch.

    If both kinds are enabled, each batch gets one of them with equal probability.

    Args:
        mixup: alpha of the Beta distribution of the weights with which whole images are blended; 0 for none.
        cutmix: alpha of the Beta distribution of the area of pasted rectangles; 0 for none.
        probability: share of the batches that are mixed.
        until: share of the steps after which mixing stops.

    Raises:
        ValueError: for a negative alpha, or a probability or share outside 0-1.
    """

    def __init__(
        self, *, mixup: float = 0.0, cutmix: float = 0.0, probability: float = 1.0, until: float = 1.0
    ) -> None:
        if mixup < 0 or cutmix < 0:
            raise ValueError(f"mixup={mixup} and cutmix={cutmix} must not be negative")
        for name, value in (("probability", probability), ("until", until)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value} must lie between 0 and 1")
        self.kinds = [(kind, alpha) for kind, alpha in ((self.overlay, mixup), (self.paste, cutmix)) if alpha > 0]
        self.probability, self.until = probability, until

    def __call__(self, images: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
        """Mix images (N, 3, H, W) uint8 and labels (N); if mixed, labels become shares (N, classes)."""
        if not self.kinds or torch.rand(()).item() >= self.probability:
            return images, labels
        mix, alpha = self.kinds[int(torch.randint(len(self.kinds), ()))]
        mixed, share = mix(images, Beta(alpha, alpha).sample().item())
        own = (
            labels[:, None] == torch.arange(classes, device=labels.device)
        ).float()  # one_hot would read the labels' values
        return mixed, share * own + (1 - share) * own.roll(1, 0)

    @staticmethod
    def overlay(images: Tensor, share: float) -> tuple[Tensor, float]:
        """Blend each image at this share with its neighbour at the rest."""
        pixels = images.float()
        mixed = torch.lerp(pixels.roll(1, 0), pixels, share).round_().to(images.dtype)
        return mixed.contiguous(memory_format=torch.channels_last), share

    @staticmethod
    def paste(images: Tensor, share: float) -> tuple[Tensor, float]:
        """Paste a rectangle of the neighbour, about 1 - share of the area; returns the share that is actually left."""
        height, width = images.shape[-2:]
        side = math.sqrt(1 - share)
        y, x = int(torch.randint(height, ())), int(torch.randint(width, ()))
        half_height, half_width = int(side * height) // 2, int(side * width) // 2
        top, bottom = max(0, y - half_height), min(height, y + half_height)
        left, right = max(0, x - half_width), min(width, x + half_width)
        mixed = images.clone()
        mixed[:, :, top:bottom, left:right] = images.roll(1, 0)[:, :, top:bottom, left:right]
        return mixed, 1 - (bottom - top) * (right - left) / (height * width)
