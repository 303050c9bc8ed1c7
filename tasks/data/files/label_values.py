"""Label files of any kind as the values or colours that they hold."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.bit_depth import is_deep
from tasks.data.files.images import LOSSY
from tasks.data.files.opening import opened, shown

MOST = 2**16 - 1  # the largest value of a label file


def read_values(path: str | Path, *, coloured: bool, lossy: bool = False, alpha: bool = False) -> NDArray[Any]:
    """A label file as (H, W) values, uint8 or uint16; or, if coloured, as (H, W, 3) uint8 colours.

    A palette file gives its indices as values and its palette's entries as colours; 1-bit files give 0 and 1. Alpha is
    dropped, unless it is all that there is.

    Args:
        lossy: also read JPEG and the like, whose values are only about those that were saved.
        alpha: the values are those of the alpha channel.

    Raises:
        UserError: for a file that cannot be decoded, is lossy, or has colours instead of values or the other way round.
    """
    with opened(path, "labels") as image:
        if image.format in LOSSY and not lossy:
            raise UserError(
                f"{shown(path)} is stored as {image.format}, which changes values at edges: dataset.nearest=true maps "
                "each to the nearest of dataset.classes"
            )
        if image.mode in ("RGB", "RGBA") and is_deep(image):
            raise UserError(
                f"{shown(path)} has more than 8 bits per colour; save it with 8, or with one value per pixel"
            )
        if alpha:
            return alpha_of(image, path)
        if image.mode in ("RGBA", "LA") and is_in_alpha(image):
            raise UserError(
                f"{shown(path)} has one colour and differs in its alpha channel only: dataset.alpha=true reads that"
            )
        return colours_of(image, path) if coloured else values_of(image, path)


def palette_of(path: str | Path) -> list[list[int]]:
    """The colours of a file's palette; [] without one, and for a file that cannot be read."""
    try:
        with opened(path, "labels") as image:
            flat = (image.getpalette("RGB") or []) if image.mode == "P" else []
    except UserError:
        return []
    return [flat[place : place + 3] for place in range(0, len(flat), 3)]


def alpha_of(image: Image.Image, path: str | Path) -> Pixels:
    """The alpha channel (H, W) of an opened label file."""
    if "A" not in image.getbands():
        raise UserError(f"{shown(path)} has no alpha channel (mode {image.mode}), which dataset.alpha=true reads")
    return np.asarray(image.getchannel("A"))


def is_in_alpha(image: Image.Image) -> bool:
    """Whether an opened file's pixels differ in nothing but their alpha."""
    *colours, (least, most) = (image.getchannel(band).getextrema() for band in image.getbands())
    return least != most and all(low == high for low, high in colours)


def colours_of(image: Image.Image, path: str | Path) -> Pixels:
    """The colours (H, W, 3) of an opened label file."""
    if image.mode[0] in "IF":
        raise UserError(
            f"{shown(path)} has one number per pixel (mode {image.mode}), but dataset.classes lists colours: list "
            "values like {sky: 0}"
        )
    return np.asarray(image.convert("RGB"))


def values_of(image: Image.Image, path: str | Path) -> NDArray[Any]:
    """The values (H, W) of an opened label file."""
    if image.mode in ("L", "P", "1"):
        return np.asarray(image, dtype=np.uint8)
    if image.mode == "PA":
        return np.asarray(image.getchannel("P"))
    values = np.asarray(image)
    if values.ndim == 3:
        channels = values[..., : {2: 1}.get(values.shape[2], 3)]
        if image.mode not in ("LA", "RGB", "RGBA") and image.format not in LOSSY:
            raise UserError(
                f"{shown(path)} has mode {image.mode}: a label file has one value or one RGB colour per pixel"
            )
        if (channels != channels[..., :1]).any():
            if image.format in LOSSY:
                return np.asarray(image.convert("L"))
            where = (channels != channels[..., :1]).any(2)
            colour = channels[where][0].tolist()
            raise UserError(
                f"{shown(path)} has colours, such as {colour} in {where.mean():.1%} of its pixels, but dataset.classes "
                f"lists values: list colours like {{road: {colour}}}"
            )
        return np.ascontiguousarray(channels[..., 0])
    if values.dtype.kind == "f" and (values == np.round(values)).all():
        values = values.astype(np.int64)
    if values.dtype.kind == "f" or values.min() < 0 or values.max() > MOST:
        raise UserError(
            f"{shown(path)} has values from {values.min():g} to {values.max():g} (mode {image.mode}); those of classes "
            f"are whole numbers from 0 to {MOST}"
        )
    return values.astype(np.uint16)


def packed(colours: Pixels) -> NDArray[np.int32]:
    """Colours (…, 3) as one number each, red in the highest byte."""
    wide = colours.astype(np.int32)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def unpacked(codes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Packed colours (N,) as (N, 3)."""
    wide = codes.astype(np.int64)
    return np.stack((wide >> 16, wide >> 8 & 255, wide & 255), -1)


def edges(values: NDArray[Any]) -> tuple[int, int]:
    """Number of steps between unequal neighbours in the rows of a label map, and of single pixels with a value between
    those of their neighbours: where an editor smoothed the edges, that is most steps."""
    values = values[:: max(1, len(values) // 64)].astype(np.int32)
    values = values.reshape(*values.shape[:2], -1)
    left, middle, right = values[:, :-2], values[:, 1:-1], values[:, 2:]
    steps = (values[:, 1:] != values[:, :-1]).any(2).sum()
    inside = ((np.minimum(left, right) <= middle) & (middle <= np.maximum(left, right))).all(2)
    between = inside & (middle != left).any(2) & (middle != right).any(2)
    return int(steps), int(between.sum())


def are_smoothed(steps: int, between: int) -> bool:
    """Whether edges, counted by `edges`, were smoothed: thin objects may lie between two others, but few do."""
    return between > max(20, 0.3 * steps)
