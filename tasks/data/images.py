"""Image files as arrays, with errors that name the file."""

import os
from glob import glob
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from tasks.errors import UserError

Pixels = NDArray[np.uint8]
PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm")


def find_images(pattern: str) -> list[Path]:
    """Files named by a path, a folder (searched through) or a glob, in the order of their names.

    A folder gives its files with an image's suffix; a path or a glob gives what it names.

    Raises:
        UserError: if that is nothing.
    """
    path = Path(pattern).expanduser()
    if path.is_dir():
        found = [
            file
            for file in path.rglob("*")
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".") and file.is_file()
        ]
        if not found:
            raise UserError(f"input={pattern}: no image in that folder ({', '.join(SUFFIXES)})")
    elif path.is_file():
        found = [path]
    else:
        names = glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
        found = [Path(name) for name in names if Path(name).is_file()]
        if not found:
            raise UserError(f"input={pattern}: no such file or folder, and no file matches it")
    return sorted(found)


def read_rgb(path: str | Path, *, upright: bool = False) -> Pixels:
    """An image file as (H, W, 3) uint8 RGB; grey, palette, CMYK and 16-bit files are converted.

    Args:
        upright: turn it as its EXIF orientation says, as viewers show a phone's photo.

    Raises:
        UserError: if it cannot be decoded to the end.
    """
    try:
        with Image.open(path) as image:
            if upright:
                ImageOps.exif_transpose(image, in_place=True)
            if image.mode.startswith("I"):  # PIL would clip 16 bits, not scale them
                values = np.asarray(image)
                if values.min() < 0 or values.max() > 65535:
                    raise UserError(f"cannot read image {path}: its values go beyond 16 bits")
                return np.repeat((values >> 8).astype(np.uint8)[..., None], 3, axis=2)
            if image.mode == "F":
                raise UserError(f"cannot read image {path}: its values are floats, of a range that nothing says")
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UserError(f"cannot read image {path}: {reason(path, error)}") from error


def read_labels(path: str | Path) -> Pixels:
    """A label file as (H, W) uint8 ids.

    Raises:
        UserError: if it cannot be decoded, or has colours instead of ids.
    """
    try:
        with Image.open(path) as image:
            if image.mode not in ("L", "P", "1"):
                raise UserError(f"{path} has mode {image.mode}; a label file has one 8-bit id per pixel (mode L)")
            return np.asarray(image, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"cannot read labels {path}: {reason(path, error)}") from error


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) from the file's header; a PNG must have its end as well.

    Raises:
        UserError: if it is no image, or a PNG that was cut off.
    """
    try:
        with Image.open(path) as image:
            if image.format == "PNG" and image.fp is not None:  # decoding everything would take minutes
                image.fp.seek(-len(PNG_END), os.SEEK_END)
                if image.fp.read() != PNG_END:
                    raise OSError("the file is truncated")
            return image.height, image.width
    except (OSError, ValueError, SyntaxError) as error:
        raise UserError(f"cannot read image {path}: {reason(path, error)}") from error


def reason(path: str | Path, error: Exception) -> str:
    """Why a file could not be decoded, in a few words."""
    path = Path(path)
    if not path.exists():
        return "no such file"
    if path.stat().st_size == 0:
        return "the file is empty (0 bytes)"
    return str(error).replace(f" '{path}'", "").replace(f"{str(path)!r}", "it")
