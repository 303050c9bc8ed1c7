"""Images that grow during training (Howard et al., fast.ai's DAWNBench entry, 2018)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from tasks.common.errors import UserError
from tasks.data.loading.batches import Batch


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


def at_side(batch: Batch, side: int) -> Batch:
    """A batch whose images are shrunk to this shorter side, with its `boxes` and `mask`; see shrunk()."""
    before, images = batch["image"].shape[-2:], shrunk(batch["image"], side)
    if images.shape[-2:] == before:
        return batch
    (old_height, old_width), (height, width) = before, images.shape[-2:]
    moved = batch | {"image": images}
    if "boxes" in batch:
        moved["boxes"] = boxes = batch["boxes"].clone()
        boxes[..., 0:4:2] *= width / old_width
        boxes[..., 1:4:2] *= height / old_height
    if "mask" in batch:
        mask = batch["mask"]
        rows, columns = nearest_on(mask.device, old_height, height), nearest_on(mask.device, old_width, width)
        moved["mask"] = mask[:, rows[:, None], columns]
    return moved


def nearest_on(device: torch.device, old: int, new: int) -> Tensor:
    """tasks.common.labels.nearest, made on a device."""
    return (2 * torch.arange(new, device=device) + 1) * old // (2 * new)


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
