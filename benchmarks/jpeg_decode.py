"""JPEG file to a training crop of 224 × 224 on one CPU thread: our partial decoding, and OpenCV's.

    python -m benchmarks.jpeg_decode [<folder of JPEGs>] [--files 16]

The folder's photos, or generated street scenes, are re-encoded with a longer side of 500, 1000 and 4000 pixels (quality
90). All sides read a file, draw the same boxes and resize them with antialiasing:

    ours      skips the rows below the box, at the smallest sufficient scale (tasks/data/files/jpeg.py)
    reduced   cv2.IMREAD_REDUCED_COLOR_*, all rows, at that scale; Pillow reads the size first
    whole     cv2.IMREAD_COLOR
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from backbones.options import Parser

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
from PIL import Image

from benchmarks.arguments import existing
from benchmarks.photos import jpegs
from benchmarks.timing import alternate, report
from tasks.data.files.images import Pixels
from tasks.data.transforms.crop import RandomResizedCrop
from tasks.data.transforms.resize import antialiased

SIZE, QUALITY = 224, 90
REDUCED = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
Cut = Callable[[Path, RandomResizedCrop, np.random.Generator], Pixels]


def ours(path: Path, crop: RandomResizedCrop, generator: np.random.Generator) -> Pixels:
    return crop(path, generator)


def reduced(path: Path, crop: RandomResizedCrop, generator: np.random.Generator) -> Pixels:
    with Image.open(path) as image:
        width, height = image.size
    box = crop.draw(height, width, generator)
    reduce = next((n for n in (8, 4, 2) if min(box.height, box.width) >= n * SIZE), 1)
    pixels = cv2.imread(str(path), REDUCED.get(reduce, cv2.IMREAD_COLOR) | cv2.IMREAD_IGNORE_ORIENTATION)
    top, left = round(box.top / reduce), round(box.left / reduce)
    bottom, right = round((box.top + box.height) / reduce), round((box.left + box.width) / reduce)
    return resized(pixels[top:bottom, left:right])


def whole(path: Path, crop: RandomResizedCrop, generator: np.random.Generator) -> Pixels:
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    box = crop.draw(*pixels.shape[:2], generator)
    return resized(pixels[box.top : box.top + box.height, box.left : box.left + box.width])


def resized(part: Pixels) -> Pixels:
    return antialiased(cv2.cvtColor(part, cv2.COLOR_BGR2RGB), SIZE, SIZE, "bilinear")


def each(cut: Cut, crop: RandomResizedCrop, files: Sequence[Path], seeds: "count[int]") -> None:
    for file in files:
        cut(file, crop, np.random.default_rng(next(seeds)))


def write_again(photos: Sequence[Path], longer: int, folder: Path) -> list[Path]:
    """Write the photos with a longer side of this many pixels."""
    folder.mkdir()
    written = []
    for number, photo in enumerate(photos):
        with Image.open(photo) as image:
            times = longer / max(image.size)
            size = (round(image.width * times), round(image.height * times))
            written.append(folder / f"{number}.jpg")
            image.convert("RGB").resize(size, Image.Resampling.BICUBIC).save(written[-1], quality=QUALITY)
    return written


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=existing)
    parser.add_argument("--files", type=int, default=16, help="photos taken, evenly from all")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    cv2.setNumThreads(0)

    crop = RandomResizedCrop(SIZE)
    with tempfile.TemporaryDirectory() as folder:
        photos = jpegs(options.folder, options.files, Path(folder))
        for longer in (500, 1000, 4000):
            files = write_again(photos, longer, Path(folder) / str(longer))
            sides = {cut.__name__: partial(each, cut, crop, files, count()) for cut in (ours, reduced, whole)}
            medians = alternate(sides, rounds=options.rounds, warmup=1, clock=time.thread_time)
            report(f"longer side {longer}: {len(files)} photos, milliseconds for all", medians)


if __name__ == "__main__":
    main()
