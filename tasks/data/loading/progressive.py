"""Images that grow during training (Howard et al., fast.ai's DAWNBench entry, 2018)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.common.errors import UserError


def check_progressive(pairs: Sequence[Sequence[float]]) -> list[tuple[int, float]]:
    """Pairs of side and share, with rising shares.

    Raises:
        UserError: for anything else.
    """
    shares = [pair[1] for pair in pairs if len(pair) == 2]
    sides = [pair[0] for pair in pairs if isinstance(pair[0], int) and pair[0] > 0]
    if len(shares) != len(pairs) or len(sides) != len(pairs) or not all(0 < share < 1 for share in shares):
        raise UserError(f"data.progressive={[list(pair) for pair in pairs]} must be [side, share of the steps] pairs")
    if sorted(set(shares)) != shares:
        raise UserError(f"data.progressive: the shares {shares} must rise")
    return list(zip(sides, shares, strict=True))


def shrunk(images: Tensor, side: int) -> Tensor:
    """Shrink images (N, 3, H, W) uint8 to this shorter side, antialiased; smaller ones are unchanged.

    Results on other devices may differ from the CPU's by 1 of 255.
    """
    height, width = images.shape[-2:]
    scale = side / min(height, width)
    if scale >= 1:
        return images
    size = (round(height * scale), round(width * scale))
    resized = resized_on_cpu(images, size) if images.device.type == "cpu" else resized_elsewhere(images, size)
    return resized.contiguous(memory_format=torch.channels_last)


def resized_on_cpu(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Images (N, 3, *size) uint8."""
    return F.interpolate(images, size, mode="bilinear", antialias=True)


def resized_elsewhere(images: Tensor, size: tuple[int, int]) -> Tensor:
    """The same through floats: CUDA and MPS have no antialiasing kernel for uint8."""
    return F.interpolate(images.float(), size, mode="bilinear", antialias=True).round_().clamp_(0, 255).byte()
