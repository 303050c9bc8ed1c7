"""From logits to a label map: the classes of `F.interpolate(...).argmax(1)`, in a tenth of its time and memory."""

import functools
import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 160 * 1024  # floats worked on at once: 640 KB stays in a core's L2 cache
Band = tuple[slice, Tensor, Tensor, Tensor]
UNSURE = 255  # in a row of labels: no class is safely the largest here
_upsample = functools.partial(F.interpolate, mode="bilinear", align_corners=False)


@torch.no_grad()
def labels_from_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) float logits -> (N, H, W) uint8 labels at `size` = (H, W), C <= 255.

    Every label equals that of `F.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1)`: of equal
    values the first class wins, NaN is the largest of all. float16 and bfloat16 logits are converted to float32 first.

    The fast way (CPU, float32, H >= 2h) never holds the (C, H, W) values, of which there are 40 million for Cityscapes:

        row i of the logits   ── stretched to W ──> above (C, W) ─┐  one class is the largest by a margin in both: it is
        row i+1 of the logits ── stretched to W ──> below (C, W) ─┘  so for every row between (weights are convex); only
                                                                     the other columns are blended, in cache

    The blend must round as F.interpolate does. That is not taken on trust: `_rounding` compares both once per shape. If
    they differ, or logits are not finite, the plain way is taken, class by class where memory asks for it.
    channels_last logits also go the plain way, undivided: torch rounds them in another kernel, by a class's place among
    the others. `logits.contiguous()` first is several times faster, with other labels only where rounding decides.

    Raises ValueError for logits of another shape or kind, or more than 255 classes.
    """
    if logits.dim() != 4 or not logits.is_floating_point():
        raise ValueError(f"logits must be floats of shape (N, C, h, w), got {logits.dtype} {tuple(logits.shape)}")
    count, classes, h, w = logits.shape
    if not 1 <= classes <= 255:
        raise ValueError(f"{classes} classes do not fit uint8 labels: 1 to 255 do (255 itself is void)")
    if logits.dtype in (torch.float16, torch.bfloat16):
        logits = logits.float()
    channels_last = classes > 1 and logits.is_contiguous(memory_format=torch.channels_last)
    fast = logits.device.type == "cpu" and logits.dtype == torch.float32 and not channels_last and size[0] >= 2 * h
    labels = torch.empty((count, *size), dtype=torch.uint8, device=logits.device)
    for n in range(count):
        image = logits[n : n + 1]
        reach = float(torch.stack(torch.aminmax(image)).abs().amax()) if fast else float("nan")
        rounding = _rounding(classes, h, w, *size, torch.get_num_threads()) if reach < 1e38 else None  # NaN is not less
        if rounding:
            _fast(image[0].contiguous(), labels[n], reach, rounding)
        else:
            _plain(image, labels[n], whole=channels_last)
    return labels


def _plain(image: Tensor, labels: Tensor, whole: bool) -> None:
    """(1, C, h, w) -> labels (H, W), one class after the other unless `whole` or all fit 16 MB (512 MB off the CPU)."""
    size = (labels.shape[0], labels.shape[1])
    limit = 2**22 if image.device.type == "cpu" else 2**27
    if whole or image.shape[1] <= 4 or image.shape[1] * labels.numel() <= limit:  # torch has kernels for RGB alone
        labels.copy_(_upsample(image, size).argmax(1)[0])
        return
    best = _upsample(image[:, :1], size)[0, 0]
    labels.zero_()
    for label in range(1, image.shape[1]):
        value = _upsample(image[:, label : label + 1], size)[0, 0]
        better = (value <= best).logical_or_(best.isnan()).logical_not_()  # true for a first NaN too
        labels.masked_fill_(better, label)
        torch.maximum(best, value, out=best)


def _fast(image: Tensor, labels: Tensor, reach: float, rounding: torch.dtype) -> None:
    """(C, h, w) contiguous, magnitudes up to `reach` -> labels (H, W)."""
    classes, width = len(image), labels.shape[1]
    margin = 1e-6 * reach + 1e-43  # far over what rounding can move two classes against each other: 4 * 2**-24 * reach
    code = torch.arange(255, 255 - classes, -1, dtype=torch.float32)[:, None]  # the first of equals has the largest
    work = torch.empty(max(BLOCK, classes * width))
    sure_below = torch.empty(0)
    for rows, above, below, weights in _bands(image, (len(labels), width), rounding):
        sure_above = sure_below if rows.start else _sure(above, margin)
        sure_below = _sure(below, margin)
        columns = ((sure_above != sure_below) | (sure_above == UNSURE)).nonzero()[:, 0]
        few = len(columns) < 0.6 * width
        if few:
            labels[rows] = sure_above
            above, below = above[:, columns], below[:, columns]
        if not above.numel():
            continue
        step = max(1, BLOCK // above.numel())
        for start in range(rows.start, rows.stop, step):
            part = slice(start, min(start + step, rows.stop))
            values = _blend(above, below, weights[:, part], work).flatten(1)  # (C, rows * columns)
            values.eq_(values.amax(0)).mul_(code)
            found = (255 - values.amax(0)).view(part.stop - start, -1).to(torch.uint8)
            labels[part].index_copy_(1, columns, found) if few else labels[part].copy_(found)


def _sure(row: Tensor, margin: float) -> Tensor:
    """(C, W) values -> (W,) uint8: the class over all others by more than `margin`, UNSURE where there is none."""
    near = torch.ge(row, row.amax(0) - margin, out=torch.empty_like(row))  # comparing into floats is 10 times faster
    total = torch.arange(256.0, 256 + len(row)) @ near  # 256 + class of one near the largest, over 511 of two
    return total.sub_(256).clamp_(max=UNSURE).to(torch.uint8)


def _bands(image: Tensor, size: tuple[int, int], rounding: torch.dtype) -> Iterator[Band]:
    """Yield output rows with the two rows (C, W) they lie between, and all rows' weights (2, H) of the two."""
    height, width = size
    h = image.shape[1]
    scale = torch.tensor(float(h)) / height  # float32 as in torch
    source = ((torch.arange(height) + 0.5).to(rounding) * scale.to(rounding) - 0.5).float().clamp_(min=0)
    index = source.long().clamp_(max=h - 1)
    weight = source - index
    weights = torch.stack([1 - weight, weight])
    starts = torch.searchsorted(index, torch.arange(h + 1)).tolist()
    blocks = (F.interpolate(x, width, mode="linear", align_corners=False) for x in image.transpose(0, 1).split(8))
    stretched = itertools.chain.from_iterable(blocks)
    above = next(stretched)
    for i in range(h):
        below = next(stretched, above)
        yield slice(starts[i], starts[i + 1]), above, below, weights
        above = below


def _blend(above: Tensor, below: Tensor, weights: Tensor, work: Tensor) -> Tensor:
    """Two rows (C, n) and the weights (2, rows) of each -> (C, rows, n), in `work`."""
    values = work[: above.numel() * weights.shape[1]].view(len(above), weights.shape[1], -1)
    torch.mul(below[:, None], weights[1, :, None], out=values)
    return torch.addcmul(values, above[:, None], weights[0, :, None], out=values)  # above * weight + values


@functools.lru_cache(maxsize=256)
def _rounding(classes: int, h: int, w: int, height: int, width: int, threads: int) -> torch.dtype | None:  # noqa: ARG001
    """The type to compute rows' places in so that noise comes out with F.interpolate's very bits, None if it does not.

    Compilers fuse multiply and add as they like (torch 2.11 does so for the places: float64, torch 2.15 does not), in
    vectors and in leftover columns; and torch chooses kernels by classes, size (H + W <= 128) and threads.
    """
    for rounding in (torch.float32, torch.float64):
        if _same_bits(1, (h, w), (height, width), rounding) and _same_bits(classes, (4, 16), (32, 128), rounding):
            return rounding
    return None


def _same_bits(classes: int, small: tuple[int, int], size: tuple[int, int], rounding: torch.dtype) -> bool:
    noise = torch.randn(classes, *small, generator=torch.Generator().manual_seed(0))
    expected = _upsample(noise[None], size)[0]
    work = torch.empty(expected.numel())
    return all(
        torch.equal(_blend(above[:, :width], below[:, :width], weights[:, rows], work), expected[:, rows, :width])
        for rows, above, below, weights in _bands(noise, size, rounding)
        for width in (size[1], 7)
    )
