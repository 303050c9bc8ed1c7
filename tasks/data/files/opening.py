"""Safe opening of image files: only regular files, formats that run no program, a limited number of pixels."""

import os
import stat
import struct
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import import_module
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import IO, Self

from PIL import Image

from tasks.common.errors import UserError

MAX_PIXELS = 500_000_000  # of one image: 22,000 × 22,000, or 1.5 GB as RGB
# Pillow would try every format it knows, EPS among them, which starts Ghostscript. By format, the module that reads it:
# importing Pillow's own list of forty takes longer than reading an image.
FORMATS = {
    "PNG": "Png", "JPEG": "Jpeg", "BMP": "Bmp", "PPM": "Ppm", "GIF": "Gif", "WEBP": "WebP", "TIFF": "Tiff",
    "JPEG2000": "Jpeg2K", "AVIF": "Avif", "TGA": "Tga", "DIB": "Bmp",
}  # fmt: skip
# Most pixels per byte, at one bit per pixel: a JPEG block of 64 pixels needs a bit, deflate packs 1032 bytes into one,
# LZW 4096 into 12 bits, PackBits 128 into two.
PIXELS_PER_BYTE = {
    "JPEG": 512,
    "PNG": 8 * 1032,
    "jpeg": 512,  # from here on: of TIFF
    "tiff_adobe_deflate": 8 * 1032,
    "tiff_deflate": 8 * 1032,
    "tiff_lzw": 8 * 2731,
    "packbits": 8 * 64,
}
UNCOMPRESSED = (
    "BMP",
    "DIB",
    "PPM",
    "TGA",
    "TIFF",
)  # Pillow's "raw" decoder reads the file itself here; for AVIF it reads decoded data
PNG_END = b"\0\0\0\0IEND\xaeB\x60\x82"
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe (FIFO)",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# What Pillow's decoders raise on damaged files; its own classes derive from OSError and ValueError.
DAMAGE = (
    OSError, ValueError, SyntaxError, EOFError, struct.error, LookupError, ArithmeticError, MemoryError, RuntimeError,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip

# Pillow raises above twice its limit and warns above the limit itself: we set the limit and silence the warning.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


class HeldFile(type(Path())):  # type: ignore[misc]  # PosixPath or WindowsPath, as Path itself chooses
    """A file whose bytes are in memory, such as one of a shard: whatever reads files by their path reads it too.

    Attributes:
        data: its bytes.
    """

    data: bytes = b""

    @classmethod
    def of(cls, name: str, data: bytes) -> Self:
        """A file of that name, for messages."""
        file = cls(name)
        file.data = data
        return file


def open_file(path: str | Path) -> BufferedReader | BytesIO:
    """Open a regular file for reading; a pipe or a device might never end.

    Raises:
        OSError: for anything else.
    """
    if isinstance(path, HeldFile):
        return BytesIO(path.data)
    file = open(path, "rb", opener=without_waiting)  # noqa: SIM115 - Path.open takes no opener
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError("not a regular file")
    return file


def size_of(path: str | Path, file: IO[bytes]) -> int:
    """Number of bytes of a file that open_file() opened."""
    return len(path.data) if isinstance(path, HeldFile) else os.fstat(file.fileno()).st_size


def without_waiting(path: str, flags: int) -> int:
    """Open a file descriptor without blocking; opening a pipe would wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@cache
def formats() -> list[str]:
    """The allowed formats that this Pillow supports."""
    for module in dict.fromkeys(FORMATS.values()):
        with suppress(ImportError):  # AVIF came with Pillow 11.3
            import_module(f"PIL.{module}ImagePlugin")
    return [name for name in FORMATS if name in Image.OPEN]


@contextmanager
def opened(path: str | Path, what: str = "image") -> Iterator[Image.Image]:
    """Open an image file and read its header. The body of the `with` may decode it.

    Args:
        what: what the file is, for messages.

    Raises:
        UserError: for a file that is not an image or is damaged, even if only the body of the `with` finds out. Bugs in
            our own code there keep their traceback.
    """
    try:
        with open_file(path) as file, Image.open(file, formats=formats()) as image:
            if image.width < 1 or image.height < 1:
                raise OSError(f"it has {image.width}×{image.height} pixels")
            most = pixels_per_byte(image)
            if most and image.width * image.height > most * (size := size_of(path, file)):
                raise OSError(f"the file is truncated: {size:,} bytes for {image.width}×{image.height} pixels")
            yield image
    except UserError:
        raise
    except DAMAGE as error:
        if is_ours(error):
            raise
        raise UserError(f"cannot read {what} {shown(path)}: {reason(path, error)}") from error


def is_ours(error: BaseException) -> bool:
    """Whether our own code failed: files are decoded in Pillow's, and we raise OSError for damage."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    ours = frame.f_globals.get("__name__", "").startswith("tasks.")
    return ours and not isinstance(error, OSError | MemoryError)


def pixels_per_byte(image: Image.Image) -> int | None:
    """Most pixels that a byte of an opened file can hold; None if unlimited."""
    tiles = getattr(image, "tile", None)
    if tiles and tiles[0][0] == "raw" and image.format in UNCOMPRESSED:
        return 8 if image.mode in ("1", "L", "P") else 1
    return PIXELS_PER_BYTE.get(image.info.get("compression", "") if image.format == "TIFF" else image.format or "")


def check_png_end(file: IO[bytes]) -> None:
    """Look for the end of a PNG file; some programs and file systems append bytes after it.

    Raises:
        OSError: if it is truncated.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - len(PNG_END)))
    if file.read() == PNG_END:  # the usual case; otherwise the chunks are walked through
        return
    at = 8
    while at + 12 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        at += 12 + length
        if kind == b"IEND":
            return
    raise OSError("the file is truncated")


def reason(path: str | Path, error: BaseException) -> str:
    """Why a file could not be decoded, in a few words."""
    if isinstance(path, HeldFile):
        return of_content(len(path.data), error)
    try:
        status = os.stat(path)  # noqa: PTH116 - one call for a str and a Path
    except FileNotFoundError:
        return "a link to what is not there" if os.path.islink(path) else "no such file"  # noqa: PTH114
    except (OSError, ValueError) as other:
        return getattr(other, "strerror", None) or str(other)
    if not stat.S_ISREG(status.st_mode):
        return f"it is {KINDS.get(stat.S_IFMT(status.st_mode), 'no regular file')}"
    return of_content(status.st_size, error)


def of_content(size: int, error: BaseException) -> str:
    """Why the content of a file of so many bytes could not be decoded."""
    if size == 0:
        return "the file is empty (0 bytes)"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it has more than {MAX_PIXELS:,} pixels"
    if isinstance(error, MemoryError):
        return "not enough memory to decode it"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "cannot identify image file" in str(error):
        return f"it is no image of a known format ({', '.join([*FORMATS][:8])}, …)"
    return " ".join(str(error).split()) or type(error).__name__


def shown(path: str | Path) -> str:
    """A path for a one-line message: line breaks and bytes that are not UTF-8 are escaped."""
    text = str(path)
    return text if text.isprintable() else repr(text)
