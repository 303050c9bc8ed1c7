"""From logits to a label map: same labels as `F.interpolate(...).argmax(1)` in a tenth of its time and memory."""

import contextlib
import functools
import itertools
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 160 * 1024  # floats processed at once: 640 KB stay in a core's L2 cache
UNSURE = 255  # in a row of labels: no class is reliably the largest here
_upsample = functools.partial(F.interpolate, mode="bilinear", align_corners=False)


@torch.no_grad()
def labels_from_logits(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) float logits -> (N, H, W) uint8 labels at `size` = (H, W), C <= 255.

    Every label equals that of `F.interpolate(logits, size, mode="bilinear", align_corners=False).argmax(1)`: for equal
    values the first class wins, NaN is the largest of all. float16 and bfloat16 logits are converted to float32 first.

    The fast path (CPU, float32, H >= 2h; one thread) never holds the 40 million values of a Cityscapes image:

        row i of logits   ── stretched to W ──> above (C, W) ─┐  if the same class leads both by a margin, it leads in
        row i+1 of logits ── stretched to W ──> below (C, W) ─┘  all rows between; other columns are blended, in cache

    Its blend must round like F.interpolate, which `_rounding` tests once per shape. If it does not, or logits are not
    finite, the plain path is used, class by class if memory requires it; all classes at once for channels_last logits,
    which torch rounds by a class's position among the others. `contiguous()` first is several times faster and changes
    labels only where rounding decides. Raises ValueError for logits of another kind and for more than 255 classes.
    """
    if logits.dim() != 4 or not logits.is_floating_point():
        raise ValueError(f"logits must be floats of shape (N, C, h, w), got {logits.dtype} {tuple(logits.shape)}")
    count, classes, h, w = logits.shape
    if not 1 <= classes <= 255:
        raise ValueError(f"{classes} classes do not fit uint8 labels: 1 to 255 do (255 itself is void)")
    logits = logits if logits.dtype == torch.float64 else logits.float()
    channels_last = classes > 1 and logits.is_contiguous(memory_format=torch.channels_last)
    fast = logits.device.type == "cpu" and logits.dtype == torch.float32 and not channels_last and size[0] >= 2 * h
    labels = torch.empty((count, *size), dtype=torch.uint8, device=logits.device)
    for image, out in zip(logits[:, None], labels, strict=True):
        reach = float(torch.stack(torch.aminmax(image)).abs().amax()) if fast else float("nan")
        rounding = _rounding(classes, h, w, *size, torch.get_num_threads()) if reach < 1e38 else None  # False for NaN
        if rounding:
            _fast(image[0].contiguous(), out, reach, rounding)
        else:
            _plain(image, out, whole=channels_last)
    return labels


def _plain(image: Tensor, labels: Tensor, whole: bool) -> None:
    """(1, C, h, w) -> labels (H, W), class by class unless `whole` or all fit in 16 MB (512 MB off the CPU)."""
    fits = image.shape[1] * labels.numel() <= (2**22 if image.device.type == "cpu" else 2**27)
    if whole or fits or image.shape[1] <= 4:  # torch has kernels for RGB only
        labels.copy_(_upsample(image, labels.shape).argmax(1)[0])
        return
    best = _upsample(image[:, :1], labels.shape)[0, 0]
    labels.zero_()
    for label, channel in enumerate(image[0, 1:], 1):
        value = _upsample(channel[None, None], labels.shape)[0, 0]
        better = (value <= best).logical_or_(best.isnan()).logical_not_()  # true for a first NaN too
        labels.masked_fill_(better, label)
        torch.maximum(best, value, out=best)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """For parts that fit a cache: more threads gain little, and on a busy machine wait for each other, 15 s a call."""
    with contextlib.ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(1)
        yield


@_one_thread()
def _fast(image: Tensor, labels: Tensor, reach: float, rounding: torch.dtype) -> None:
    """(C, h, w) contiguous, magnitudes up to `reach` -> labels (H, W)."""
    margin = 1e-6 * reach + 1e-43  # far above what rounding can shift between two classes: 4 * 2**-24 * reach
    code = torch.arange(255.0, 255 - len(image), -1)[:, None]  # the first of equal classes has the largest code
    sure_below = torch.empty(0)
    for rows, above, below, weights in _bands(image, len(labels), labels.shape[1], rounding):
        sure_above = sure_below if rows.start else _sure(above, margin)
        sure_below = _sure(below, margin)
        columns = ((sure_above != sure_below) | (sure_above == UNSURE)).nonzero()[:, 0]
        few = len(columns) < 0.6 * labels.shape[1]
        if few:
            labels[rows] = sure_above
            above, below = above[:, columns], below[:, columns]
        step = max(1, BLOCK // max(1, above.numel()))
        for out, part in zip(torch.split(labels[rows], step), torch.split(weights, step, 1), strict=True):
            values = _blend(above, below, part).flatten(1)  # (C, rows * columns)
            values.eq_(values.amax(0)).mul_(code)
            found = (255 - values.amax(0)).view(len(out), above.shape[1]).to(torch.uint8)
            out.index_copy_(1, columns, found) if few else out.copy_(found)


def _sure(row: Tensor, margin: float) -> Tensor:
    """(C, W) values -> (W,) uint8: the class above all others by more than `margin`, UNSURE if there is none."""
    near = torch.ge(row, row.amax(0) - margin, out=torch.empty_like(row))  # comparing into floats is 10 times faster
    total = near.mul_(torch.arange(256.0, 256 + len(row))[:, None]).sum(0)  # 256 + class if it is alone, else over 511
    return total.sub_(256).clamp_(max=UNSURE).to(torch.uint8)


def _bands(image: Tensor, height: int, width: int, kind: torch.dtype) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yield some output rows, the two stretched rows (C, W) around them, and the weights (2, rows) of the two."""
    h = image.shape[1]
    scale = (torch.tensor(float(h)) / height).to(kind)  # divided in float32 like torch
    source = ((torch.arange(height) + 0.5).to(kind) * scale - 0.5).float().clamp_(min=0)
    index = source.long().clamp_(max=h - 1)
    weights = torch.stack([1 - (source - index), source - index])
    starts = torch.searchsorted(index, torch.arange(h + 1)).tolist()
    stretch = functools.partial(F.interpolate, size=width, mode="linear", align_corners=False)
    stretched = itertools.chain.from_iterable(map(stretch, torch.split(image.transpose(0, 1), 8)))
    above = next(stretched)
    for rows in itertools.starmap(slice, itertools.pairwise(starts)):
        below = next(stretched, above)
        yield rows, above, below, weights[:, rows]
        above = below


def _blend(above: Tensor, below: Tensor, weights: Tensor) -> Tensor:
    """Two rows (C, n) and the weights (2, rows) of each -> (C, rows, n)."""
    return (below[:, None] * weights[1, :, None]).addcmul_(above[:, None], weights[0, :, None])


@functools.lru_cache(maxsize=256)
def _rounding(classes: int, h: int, w: int, height: int, width: int, threads: int) -> torch.dtype | None:  # noqa: ARG001
    """The dtype of row positions with which noise gives bit-identical results to F.interpolate, None if none does.

    Compilers fuse multiply and add as they like (torch 2.11 does so for the positions: float64, torch 2.15 does not),
    in vectors and in leftover columns; and torch chooses kernels by classes, size (H + W <= 128) and threads.
    """
    for kind in (torch.float32, torch.float64):
        if _same_bits(1, h, w, height, width, kind) and _same_bits(classes, 4, 16, 32, 128, kind):
            return kind
    return None


def _same_bits(classes: int, h: int, w: int, height: int, width: int, kind: torch.dtype) -> bool:
    noise = torch.randn(classes, h, w, generator=torch.Generator().manual_seed(0))
    expected = _upsample(noise[None], (height, width))[0]  # on as many threads as there are
    with _one_thread():
        return all(
            torch.equal(_blend(above[:, :part], below[:, :part], weights), expected[:, rows, :part])
            for rows, above, below, weights in _bands(noise, height, width, kind)
            for part in (width, 7)
        )
