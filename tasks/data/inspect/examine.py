"""One pass over a split's files: each is decoded once, and a few bytes are kept of it."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.files.bit_depth import is_deep, read_deep
from tasks.data.files.files import Files
from tasks.data.files.images import as_rgb
from tasks.data.files.masks import count_classes
from tasks.data.files.opening import open_file, opened
from tasks.data.files.orientation import orientation, stored_size
from tasks.data.inspect.fingerprint import SIDE, Fingerprint, fingerprint

REDUCED = 224  # pixels of the shorter side below which no picture is shrunk before it is hashed and averaged
CHUNK = 256  # images in flight
Progress = Callable[[Iterable[int], int], Iterable[int]]
Floats = NDArray[np.float64]


class Glance(NamedTuple):
    """What is kept of one image.

    Attributes:
        size: (height, width) as stored.
        turn: its EXIF orientation.
        digest: of the file's bytes.
        print: of the picture.
        mean, square: (3,) of the pixels and of their squares.
        counts: (256,) pixels of each class; None without a label map.
    """

    size: tuple[int, int]
    turn: int
    digest: int
    print: Fingerprint
    mean: Floats
    square: Floats
    counts: NDArray[np.int64] | None


class Examined:
    """What is kept of a split's images, in their order.

    Attributes:
        errors: why images could not be decoded, by index.
        sizes: (N, 2) heights and widths as stored; 0 for unreadable ones.
        turns: (N,) EXIF orientations.
        digests: (N,) uint64 of the files' bytes; 0 for unreadable ones.
        hashes, small, plain: see Fingerprint.
        means, squares: (N, 3) of the pixels and of their squares.
        shares: (N, 256) share of each class number in the label map, or None. float16: 512 bytes an image.
        pixels: (256,) of each class number in all label maps.
    """

    def __init__(self, count: int, *, masks: bool) -> None:
        self.errors: dict[int, str] = {}
        self.sizes = np.zeros((count, 2), np.int32)
        self.turns = np.ones(count, np.uint8)
        self.digests = np.zeros(count, np.uint64)
        self.hashes = np.zeros((count, 2), np.uint64)
        self.small = np.zeros((count, SIDE * SIDE), np.uint8)
        self.plain = np.zeros(count, bool)
        self.means, self.squares = np.zeros((count, 3), np.float32), np.zeros((count, 3), np.float32)
        self.shares = np.zeros((count, 256), np.float16) if masks else None
        self.pixels = np.zeros(256, np.int64)

    def put(self, index: int, glance: Glance) -> None:
        """Keep what was seen of an image."""
        self.sizes[index], self.turns[index], self.digests[index] = glance.size, glance.turn, glance.digest
        self.hashes[index], self.small[index], self.plain[index] = glance.print
        self.means[index], self.squares[index] = glance.mean, glance.square
        if self.shares is not None and glance.counts is not None:
            self.shares[index] = glance.counts / max(1, glance.counts.sum())
            self.pixels += glance.counts

    @property
    def read(self) -> NDArray[np.bool_]:
        """(N,) images that could be decoded."""
        return self.sizes[:, 0] > 0


def examine(samples: Any, problems: Iterable[int], progress: Progress) -> Examined:
    """Look at every image of a split once, a few at a time.

    Args:
        problems: indices whose label map cannot be read.
        progress: wraps the indices, see rich.progress.track.
    """
    skipped, has_masks = set(problems), has_mask(samples)
    found = Examined(len(samples), masks=has_masks)

    def look(index: int) -> Glance | str:
        try:
            return glance_at(samples, index, masks=has_masks and index not in skipped)
        except UserError as error:
            return str(error)

    with thread_pool() as pool:
        starts = range(0, len(samples), CHUNK)
        flat = (index for start in starts for index in range(start, min(start + CHUNK, len(samples))))
        seen = (each for start in starts for each in pool.map(look, range(start, min(start + CHUNK, len(samples)))))
        for index, glance in zip(progress(flat, len(samples)), seen, strict=True):
            if isinstance(glance, str):
                found.errors[index] = glance
            else:
                found.put(index, glance)
    return found


def has_mask(samples: Any) -> bool:
    """Whether a split has label maps."""
    if isinstance(samples, Files):
        return getattr(samples, "masks", None) is not None
    return len(samples) > 0 and "mask" in samples.read(0)


def glance_at(samples: Any, index: int, *, masks: bool) -> Glance:
    """Decode an image, and its label map if `masks`.

    Raises:
        UserError: for a file that cannot be decoded.
    """
    if isinstance(samples, Files):
        image, size, turn = decode_small(samples.path(index), samples.white)
        digest = digest_of(samples.path(index))
        mask = samples.masks.read(index) if masks else None  # type: ignore[attr-defined]
    else:  # generated, or in memory
        sample = samples.read(index)
        image, size, turn = Image.fromarray(sample["image"]), sample["image"].shape[:2], 1
        digest = first_bytes(hashlib.blake2b(sample["image"].tobytes(), digest_size=8))
        image, mask = shrink(image), sample.get("mask") if masks else None
    pixels = np.asarray(image, np.float32).reshape(-1, 3) / 255
    counts = None if mask is None else count_classes(mask)
    return Glance(size, turn, digest, fingerprint(image), pixels.mean(0), (pixels**2).mean(0), counts)


def decode_small(path: Path, white: float | None) -> tuple[Image.Image, tuple[int, int], int]:
    """A file as a small RGB picture, its stored (height, width) and its EXIF orientation.

    All of the file is read, so that damage anywhere in it is found, but a JPEG is decoded at a fraction of its size.

    Raises:
        UserError: if it cannot be decoded.
    """
    with opened(path) as image:
        size, turn = stored_size(image), orientation(image)
        if is_deep(image):
            return shrink(Image.fromarray(read_deep(image, path, white))), size, turn
        image.draft(None, (REDUCED, REDUCED))
        return shrink(Image.fromarray(as_rgb(image))), size, turn


def shrink(image: Image.Image) -> Image.Image:
    """A picture divided by a whole number, so that its shorter side is not far above REDUCED."""
    factor = min(image.size) // REDUCED
    return image.reduce(factor) if factor > 1 else image


def digest_of(path: Path) -> int:
    """64 bits of the hash of a file's bytes."""
    with open_file(path) as file:
        return first_bytes(hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)))


def first_bytes(made: Any) -> int:
    """A digest of 8 bytes as a number."""
    return int.from_bytes(made.digest(), "little")
