"""What predict() takes: paths, PIL images, arrays and tensors, as pixels. Nothing here imports PyTorch."""

import glob
import os
import sys
from collections.abc import Iterable, Iterator
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageFile, ImageOps

from tasks.app.boundary import path_of
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.bit_depth import is_deep
from tasks.data.files.images import as_rgb, find_images, read_rgb
from tasks.data.files.opening import DAMAGE
from tasks.deploy.decode import no_photo

AnyImage = Any  # a path, a PIL image, an array (H, W, 3) uint8 RGB, a tensor (3, H, W) uint8 RGB
TAKES = "a path, a PIL image, an array (H, W, 3) uint8 RGB, a tensor (3, H, W) uint8 RGB, or a list of them"


class View(NamedTuple):
    """How image files become pixels.

    Attributes:
        upright: whether images are rotated according to their EXIF orientation.
        white: value of white in files with more than 8 bits per channel; None to use the file's own.
    """

    upright: bool
    white: float | None


def threshold_of(value: Any) -> float | None:
    """A checked threshold.

    Raises:
        UserError: for anything but None and a number from 0 to 1.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise UserError(f"threshold={short(repr(value))}: a score is a number from 0 to 1")
    return float(value)


def several_in(images: Any) -> Iterable[AnyImage] | None:
    """The images of a list, an iterator, a folder or a glob; None for a single image.

    Raises:
        UserError: for a folder without images, and for a glob that no file matches.
    """
    if isinstance(images, str | os.PathLike):
        path = place_of(images)
        try:
            several = not path.is_file() and (path.is_dir() or glob.has_magic(str(path)))
        except OSError:  # a name that is too long, for example: reading it says so
            return None
        return find_images(str(path), key="") if several else None
    if isinstance(images, list | tuple) or (isinstance(images, Iterator) and not hasattr(images, "read")):
        return images
    return None


def place_of(image: Any) -> Path:
    """The path of an image.

    Raises:
        UserError: for an address or no path.
    """
    if str(image).startswith(("rtsp://", "rtsps://")):
        raise UserError("predict() takes images; a stream is for mode=predict input=rtsp://…")
    return path_of(image, "predict", TAKES)


def pixels_of(image: AnyImage, view: View, *, bgr: bool = False) -> Pixels:
    """Convert an image to an array (H, W, 3) uint8 RGB.

    Args:
        bgr: whether arrays are BGR.

    Raises:
        UserError: if it is not an image.
    """
    if isinstance(image, str | os.PathLike):
        return read_rgb(place_of(image), upright=view.upright, white=view.white)
    if isinstance(image, Image.Image):
        return of_pillow(image, view)
    torch = sys.modules.get("torch")  # a caller with a tensor has imported it
    if torch is not None and isinstance(image, torch.Tensor):
        image = of_tensor(image, torch)
    if not isinstance(image, np.ndarray):
        raise UserError(f"predict() takes {TAKES}, not {type(image).__name__}")
    pixels = np.asarray(image)  # of a masked array: its data
    if problem := no_photo(pixels):
        raise UserError(f"the array is no photo: {problem}")
    return pixels[..., ::-1] if bgr else pixels


def of_pillow(image: Image.Image, view: View) -> Pixels:
    """The pixels of a PIL image.

    Raises:
        UserError: if it has none, is deep, or its file is damaged or closed.
    """
    if image.width < 1 or image.height < 1:
        raise UserError(f"the PIL image has {image.width}×{image.height} pixels")
    try:
        deep = image.mode[0] in "IF" or (isinstance(image, ImageFile.ImageFile) and is_deep(image))
        pixels = None if deep else as_rgb(ImageOps.exif_transpose(image) if view.upright else image)
    except DAMAGE as error:
        raise UserError(f"the PIL image cannot be decoded: {' '.join(str(error).split())}") from error
    if pixels is None:
        raise UserError(
            f"a PIL image of more than 8 bits a channel (mode {image.mode}): give the file's path, or an array scaled "
            f"to uint8"
        )
    return pixels


def of_tensor(image: Any, torch: Any) -> Pixels:
    """The array (H, W, 3) of a tensor.

    Raises:
        UserError: for another shape or type.
    """
    shape = "×".join(map(str, image.shape))
    if image.ndim != 3 or image.shape[0] != 3:
        hint = ": image.permute(2, 0, 1) makes it so" if image.ndim == 3 and image.shape[2] == 3 else ""
        raise UserError(f"a tensor of {shape}: an image is (3, H, W) uint8 RGB{hint}; several are a list of them")
    if image.layout is not torch.strided or image.is_meta:
        raise UserError(f"a tensor of {image.layout} on {image.device}: an image is a dense one with values")
    if image.dtype is not torch.uint8:
        scaled = "(image * 255).round()" if image.is_floating_point() else "image"
        also = " if its values are from 0 to 1" if image.is_floating_point() else " if its values are from 0 to 255"
        raise UserError(f"a tensor of {image.dtype}: an image is uint8 from 0 to 255: {scaled}.to(torch.uint8){also}")
    pixels: Pixels = image.detach().permute(1, 2, 0).cpu().numpy()
    return pixels
