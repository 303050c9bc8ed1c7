"""JPEG file to a training image of 224 × 224, one thread: ours against torchvision's with Pillow and decode_jpeg.

    python -m benchmarks.input_pipeline [<folder of JPEGs>] [--limit 500]

Without a folder, generated street scenes of 375 × 500 are read. All sides read the file, draw a box, resize it with
antialiasing and flip it: torchvision's reference on Pillow's images, its v2 transforms on the uint8 tensors of
`torchvision.io.decode_jpeg`. Before timing, ours and Pillow crop the same boxes, and the mean difference of their
pixels is printed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2
from torchvision.transforms.functional import resized_crop

from benchmarks.photos import jpegs
from benchmarks.timing import alternate, report
from tasks.data.transforms.crop import RandomResizedCrop, cut_box

SIZE = 224


def ours(crop: RandomResizedCrop, seeds: Iterator[int], files: Sequence[Path]) -> None:
    for file in files:  # a new generator per image, as in training
        torch.from_numpy(crop(file, np.random.default_rng((0, 0, next(seeds))))).permute(2, 0, 1)


def reference(transform: Callable[[Image.Image], torch.Tensor], files: Sequence[Path]) -> None:
    for file in files:
        with Image.open(file) as image:
            transform(image.convert("RGB"))


def on_tensors(transform: Callable[[torch.Tensor], torch.Tensor], files: Sequence[Path]) -> None:
    for file in files:
        transform(decode_jpeg(read_file(str(file)), mode=ImageReadMode.RGB))


def difference(crop: RandomResizedCrop, files: Sequence[Path]) -> float:
    """Mean absolute difference of the two sides' pixels (0-255) for the same boxes."""
    generator, differences = np.random.default_rng(0), []
    for file in files:
        with Image.open(file) as image:
            box = crop.draw(image.height, image.width, generator)
            theirs = np.asarray(resized_crop(image.convert("RGB"), *box, [SIZE, SIZE], antialias=True), int)
        differences.append(np.abs(cut_box(file, box, SIZE, "bilinear") - theirs).mean())
    return float(np.mean(differences))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--limit", type=int, default=500, help="files taken, evenly from all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)

    with tempfile.TemporaryDirectory() as generated:
        measure(jpegs(options.folder, options.limit, Path(generated)))


def measure(files: Sequence[Path]) -> None:
    """Print the times of all sides, by the photos' longer side."""
    crop = RandomResizedCrop(SIZE)
    steps = [v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()]
    print(f"{len(files)} files; the same boxes differ by {difference(crop, files):.2f} of 255 on average")

    longer = {file: max(Image.open(file).size) for file in files}
    groups = {
        "all": files,
        "longer side below 450": [file for file in files if longer[file] < 450],
        "longer side 450 to 550": [file for file in files if 450 <= longer[file] <= 550],
        "longer side above 550": [file for file in files if longer[file] > 550],
    }
    for name, group in groups.items():
        if not group:
            continue
        sides = {
            "ours": partial(ours, crop, count(), group),
            "torchvision, Pillow": partial(reference, v2.Compose([*steps, v2.PILToTensor()]), group),
            "torchvision, decode_jpeg and uint8 tensors": partial(on_tensors, v2.Compose(steps), group),
        }
        medians = alternate(sides, 7, 1, clock=time.thread_time)
        speeds = ", ".join(f"{side} {len(group) / seconds:.0f}" for side, seconds in medians.items())
        report(f"{name}: {len(group)} files; images/s per core: {speeds}", medians)


if __name__ == "__main__":
    main()
