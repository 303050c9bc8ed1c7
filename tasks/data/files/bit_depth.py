"""Images with more than 8 bits per channel, scaled to 8 by the range that their file declares or the user sets."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.opening import open_file, shown

FULL = 2**16 - 1
USED = 2**14  # a 16-bit file with only values below this may hold a camera's 14, 12 or 10 bits
MAX_SAMPLE_VALUE = 281  # TIFF 6.0's tag
SCALED = ("PPM", "JPEG2000")  # formats that declare their range: Pillow scales the values to 16 bits


def is_deep(image: Image.Image) -> bool:
    """Whether an opened file has more than 8 bits per channel."""
    if image.mode[0] in "IF" or declared_most(image) > 255:
        return True
    arguments: Any = image.tile[0][3] if image.tile else ""  # type: ignore[attr-defined]
    raw = arguments if isinstance(arguments, str) else arguments[0] if isinstance(arguments, tuple) else ""
    return isinstance(raw, str) and raw.partition(";")[2].startswith("16")


def declared_most(image: Image.Image) -> int:
    """The maxval of an opened PGM or PPM file, which Pillow scales by; 0 for other formats, and after decoding."""
    arguments: Any = image.tile[0][3] if image.format == "PPM" and image.tile else ()  # type: ignore[attr-defined]
    if arguments == "I;16B":
        return FULL
    return arguments[1] if isinstance(arguments, tuple) and len(arguments) == 2 else 0


def read_deep(image: Image.Image, path: str | Path, white: float | None) -> Pixels:
    """The pixels of a deep file, (H, W, 3).

    Args:
        white: the value of white in the file; None for what the file declares, or else 16 bits.

    Raises:
        UserError: for values above white, or if white is unknown.
    """
    most = declared_most(image)
    if image.mode[0] in "IF":
        declared = white_of(image, path) if white is None else white
        values = np.asarray(image)
        if white is not None and most:  # back to the file's values
            values = np.round(values * (most / FULL)).astype(np.int64)
        return np.repeat(scaled(values, declared, image, path)[..., None], 3, axis=2)
    if white is not None and white != (most or FULL):
        return scaled(read_colours(path), white, image, path)
    pixels = np.asarray(image.convert("RGB"))  # the high byte of each
    if white is None and not most and int(pixels.max()) << 8 < USED:
        check_used(int(read_colours(path).max()), path)
    return pixels


def white_of(image: Image.Image, path: str | Path) -> float | None:
    """The white that a single-channel file declares; None if it does not."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        bits, most = (tags.get(258) or (0,))[0], tags.get(MAX_SAMPLE_VALUE)
        most = most[0] if isinstance(most, tuple) and most else most
        if isinstance(most, int) and 255 <= most < FULL:
            return most
        return 2**bits - 1 if 8 < bits < 16 else None
    if image.format in SCALED and image.mode != "F":
        return FULL
    bits = significant_bits(path) if image.format == "PNG" else 0
    return 2**bits - 1 if 8 < bits < 16 and np.asarray(image).max() < 2**bits else None


def significant_bits(path: str | Path) -> int:
    """Value of the sBIT chunk of a grey PNG (PNG specification, 11.3.2.7); 0 if there is none."""
    with open_file(path) as file:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind == b"sBIT" and length:
                return file.read(1)[0]
            if kind == b"IDAT":
                break
            file.seek(length + 4, 1)
    return 0


def scaled(values: NDArray[Any], white: float | None, image: Image.Image, path: str | Path) -> Pixels:
    """Values of any type as uint8, with `white` as 255."""
    lowest, highest = values.min(), values.max()
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise UserError(f"cannot read image {shown(path)}: it has values that are not finite")
    if lowest < 0:
        raise UserError(f"cannot read image {shown(path)}: it has negative values, down to {lowest:g}")
    if white is None:
        if image.mode == "F" or (image.mode == "I" and image.format != "PNG"):
            kind = "floats" if image.mode == "F" else "signed or 32-bit integers"
            raise UserError(
                f"cannot read image {shown(path)}: its values are {kind} "
                f"up to {highest:g}, and nothing says which is white: set white={likely(float(highest))}"
            )
        check_used(int(highest), path)
        white = FULL
    if highest > white:
        raise UserError(f"cannot read image {shown(path)}: it has the value {highest:g}, above white={white:g}")
    if values.dtype.kind == "f":
        return np.round(values * (255 / white)).astype(np.uint8)
    if white == FULL:
        return (values >> 8).astype(np.uint8)
    return (values.astype(np.float64) * (256 / (white + 1))).clip(max=255).astype(np.uint8)


def check_used(highest: int, path: str | Path) -> None:
    """Raises a UserError for 16-bit values that would be nearly black but may be of another depth."""
    if 0 < highest < USED:
        raise UserError(
            f"cannot read image {shown(path)}: its 16-bit values end at {highest:,} of {FULL:,}, and nothing says "
            f"which is white: set white={likely(highest)}, or white={FULL} if it is that dark"
        )


def likely(highest: float) -> str:
    """The most likely white for values up to this."""
    return next((str(white) for white in (1.0, 255, 1023, 4095, 16383, FULL) if highest <= white), f"{highest:g}")


def read_colours(path: str | Path) -> NDArray[Any]:
    """Read (H, W, 3) RGB in 16 bits, which Pillow does not support."""
    import cv2

    with open_file(path) as file:
        data = np.frombuffer(file.read(), np.uint8)
    try:
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        values = None
    if values is None or values.ndim != 3 or values.shape[2] < 3:
        raise UserError(f"cannot read image {shown(path)}: 16-bit colours of this kind are not supported")
    return values[..., 2::-1]
