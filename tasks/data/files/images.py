"""Image files as arrays, with errors that name the file."""

import os
import stat
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, features
from PIL import __version__ as pillow_version

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.bit_depth import is_deep, read_deep
from tasks.data.files.opening import KINDS, check_png_end, opened, shown
from tasks.data.files.orientation import Turned, as_stored, orientation, stored_size, turned
from tasks.data.files.walk import SUFFIXES, files_below, passed_over

JPEG_END = b"\xff\xd9"
JPEG_TAIL = 4096  # bytes searched for the end marker: some cameras append bytes after it
LOSSY = ("JPEG", "MPO", "JPEG2000", "AVIF")  # would change the ids of a label map


def decoders() -> list[str]:
    """Releases of the libraries that decode images: another one may give other pixels."""
    import cv2

    jpeg = features.version_feature("libjpeg_turbo")
    return [pillow_version, str(jpeg), cv2.__version__]


def find_images(pattern: str, key: str = "input=") -> list[Path]:
    """Files named by a path, a folder (searched recursively) or a glob, sorted by name.

    A folder gives its files with an image suffix, even unreadable ones; a path or a glob gives what it names.

    Args:
        key: that was typed, for messages.

    Raises:
        UserError: if nothing is found.
    """
    path = Path(pattern).expanduser()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        mode = 0
    if stat.S_ISDIR(mode):
        others: list[str] = []
        found = [path / name for name in files_below(path, others)]
        line = passed_over(others)
        if not found:
            raise UserError(f"{key}{pattern}: no image in that folder ({line or ', '.join(SUFFIXES)})")
        if line:
            report(f"{key}{pattern}: {line}")
    elif stat.S_ISREG(mode):
        found = [path]
    elif mode:
        raise UserError(f"{key}{pattern} is {KINDS.get(stat.S_IFMT(mode), 'no regular file')}, not a file")
    else:
        try:
            names = glob(str(path), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
        except ValueError:  # a null character
            names = []
        found = [Path(name) for name in names if Path(name).is_file()]
        if not found:
            raise UserError(f"{key}{pattern}: no such file or folder, and no file matches it")
    return sorted(found)


def read_rgb(
    path: str | Path, *, upright: bool | Callable[[Turned], bool] = False, white: float | None = None
) -> Pixels:
    """An image file as (H, W, 3) uint8 RGB; grey, palette, CMYK and deeper files are converted, alpha is dropped.

    Args:
        upright: apply its EXIF orientation, as viewers do; or what decides this once the header is read.
        white: the value of white in files of more than 8 bits per channel; None for what the file declares.

    Raises:
        UserError: if it cannot be fully decoded, or its white is unknown.
    """
    with opened(path) as image:
        turn = orientation(image) if upright is not False or image.format == "TIFF" else 1
        if callable(upright):
            upright = upright(Turned(stored_size(image), turn))
        pixels = read_deep(image, path, white) if is_deep(image) else as_rgb(image)
        return oriented(pixels, image, turn, upright)


def oriented(pixels: Pixels, image: Image.Image, turn: int, upright: bool) -> Pixels:
    """Decoded pixels upright or as stored, whatever Pillow did.

    Args:
        turn: orientation of the file before it was decoded: afterwards Pillow does not say it of a TIFF.
    """
    if image.format == "TIFF":  # Pillow turns it when it decodes
        return pixels if upright else as_stored(pixels, turn)
    return turned(pixels, turn) if upright else pixels


def as_rgb(image: Image.Image) -> Pixels:
    """An image of 8 bits per channel as (H, W, 3) uint8 RGB; alpha is dropped."""
    if image.mode in ("La", "RGBa"):  # premultiplied: Pillow needs an intermediate step
        image = image.convert(image.mode.upper())
    return np.asarray(image.convert("RGB"))


def read_labels(path: str | Path) -> Pixels:
    """A label file as (H, W) uint8 ids, as stored: its EXIF orientation is left to AnnotatedFiles.

    Raises:
        UserError: if it cannot be decoded, has lossy compression, or has colours instead of ids.
    """
    with opened(path, "labels") as image:
        turn = orientation(image)
        if image.format in LOSSY:
            raise UserError(
                f"{shown(path)} is stored as {image.format}, which changes ids: label files are PNG (or TIFF, BMP)"
            )
        return oriented(ids_of(image, path), image, turn, False)


def ids_of(image: Image.Image, path: str | Path) -> Pixels:
    """The pixels of an opened label file as (H, W) uint8 ids.

    Raises:
        UserError: if it has colours, or values that are no ids.
    """
    if image.mode in ("L", "P", "1"):
        return np.asarray(image, dtype=np.uint8)
    values = np.asarray(image)
    if values.ndim == 3:
        channels = values[..., : {2: 1}.get(values.shape[2], 3)]
        if image.mode not in ("LA", "RGB", "RGBA") or (channels != channels[..., :1]).any():
            raise UserError(f"{shown(path)} has colours (mode {image.mode}); a label file has one id per pixel")
        return np.ascontiguousarray(channels[..., 0])
    if image.mode[0] != "I" or values.min() < 0 or values.max() > 255:
        raise UserError(
            f"{shown(path)} has values from {values.min():g} to {values.max():g} (mode {image.mode}); ids are 0-255"
        )
    return values.astype(np.uint8)


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) as stored, from the file's header.

    Raises:
        UserError: if it is no image.
    """
    return opened_size(path).size


def opened_size(path: str | Path) -> Turned:
    """(height, width) as stored and EXIF orientation, from the file's header.

    Raises:
        UserError: if it is no image.
    """
    with opened(path) as image:
        return Turned(stored_size(image), orientation(image))


def look(path: str | Path, white: float | None = None) -> Turned:
    """(height, width) as stored and EXIF orientation of a file whose header and end are checked.

    A file of more than 8 bits per channel is decoded, because its range must be known.

    Raises:
        UserError: if it is not an image, or is truncated.
    """
    with opened(path) as image:
        found = Turned(stored_size(image), orientation(image))
        file: IO[bytes] | None = image.fp  # type: ignore[attr-defined]
        if image.format == "PNG" and file is not None:
            check_png_end(file)  # decoding everything would take minutes
        whole = image.format not in ("JPEG", "MPO") or file is None or has_jpeg_end(file)
        deep = is_deep(image)
    if deep or not whole:  # many bytes may follow the end marker, or only the marker may be missing
        read_rgb(path, white=white)
    return found


def has_jpeg_end(file: IO[bytes]) -> bool:
    """Whether the end marker is among a JPEG file's last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - JPEG_TAIL))
    return JPEG_END in file.read()
