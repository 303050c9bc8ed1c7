"""A label map from several views of an image (multi-scale testing: DeepLab, Chen et al., TPAMI 2018, section 4.1)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

FLOATS = 2**23  # values of one view that are computed at once: 32 MB


@torch.no_grad()
def labels_from_views(views: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
    """Train ids (N, H, W) uint8: the class with the largest mean of the views' probabilities at `size` = (H, W).

    Each view's logits are interpolated to the size (bilinear, half-pixel centres) and only then become probabilities.
    It works on some rows at a time, so that C × H × W numbers are never held.

    Args:
        views: logits (N, C, h, w) of each view, all the same way round; h and w differ between views.
    """
    count, classes = views[0].shape[:2]
    height, width = size
    labels = torch.empty((count, height, width), dtype=torch.uint8, device=views[0].device)
    step = max(1, FLOATS // (count * classes * width))
    for first in range(0, height, step):
        rows = range(first, min(first + step, height))
        total = rows_of(views[0], size, rows).softmax(1)
        for view in views[1:]:
            total += rows_of(view, size, rows).softmax(1)
        labels[:, first : rows.stop] = total.argmax(1)
    return labels


def rows_of(logits: Tensor, size: tuple[int, int], rows: range) -> Tensor:
    """Some rows of `F.interpolate(logits, size, mode="bilinear", align_corners=False)`: (N, C, rows, W) float32."""
    old = logits.shape[2]
    at = torch.arange(rows.start, rows.stop, dtype=torch.float32, device=logits.device)
    at = ((at + 0.5) * (old / size[0]) - 0.5).clamp(min=0)
    above = at.long().clamp(max=old - 1)
    below = (above + 1).clamp(max=old - 1)
    band = torch.lerp(logits[:, :, above].float(), logits[:, :, below].float(), (at - above)[:, None])
    return F.interpolate(band, (len(rows), size[1]), mode="bilinear", align_corners=False)
