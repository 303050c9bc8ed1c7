"""JPEG file to a training image of 224 × 224, one thread: ours against torchvision's with Pillow and decode_jpeg.

    python -m benchmarks.input_pipeline [<folder of JPEGs>] [--limit 500]

Without a folder, generated street scenes of 375 × 500 are read. All sides read the file, draw a box, resize it with
antialiasing and flip it: torchvision's reference on Pillow's images, its v2 transforms on the uint8 tensors of
`torchvision.io.decode_jpeg`. Ours also crops what `data.cache=disk data.cache_side=256` keeps, from the system's file
cache: alone, and as whole training batches of 32 (TrainDataset, with its names, labels and stacking), as no other side
makes. Before timing, ours and Pillow crop the same boxes, and the mean difference of their pixels is printed.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path

from backbones.options import Parser

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2
from torchvision.transforms.functional import resized_crop

from benchmarks.arguments import existing
from benchmarks.photos import jpegs
from benchmarks.timing import alternate, report
from tasks.common.labels import Pixels
from tasks.data.files.files import LabelledFiles
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.disk.samples import Keeper, OnDisk
from tasks.data.loading.samplers import Draw
from tasks.data.transforms.crop import RandomResizedCrop, cut_box

SIZE, BATCH = 224, 32


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


def kept(samples: OnDisk, crop: RandomResizedCrop, seeds: Iterator[int], numbers: Sequence[int]) -> None:
    for number in numbers:

        def view(source: Path | Pixels) -> Pixels:
            return crop(source, np.random.default_rng((0, 0, next(seeds))))

        torch.from_numpy(samples.read(number, view)["image"]).permute(2, 0, 1)


def in_batches(data: TrainDataset, seeds: Iterator[int], numbers: Sequence[int]) -> None:
    for start in range(0, len(numbers), BATCH):
        data[[Draw(number, (0, 0, next(seeds))) for number in numbers[start : start + BATCH]]]


def on_disk(files: Sequence[Path], folder: Path) -> OnDisk:
    """The files' images at side 256 on the disk."""
    whole = LabelledFiles(Path(), [str(file.absolute()) for file in files], [0] * len(files))
    keeper = Keeper(folder, None, lambda writing, items: map(writing.__getitem__, items))
    samples: OnDisk = keeper.keep(whole, "train", side=256)
    return samples


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
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=existing)
    parser.add_argument("--limit", type=int, default=500, help="files taken, evenly from all")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)

    with tempfile.TemporaryDirectory() as generated:
        measure(jpegs(options.folder, options.limit, Path(generated)), Path(generated) / "cache")


def measure(files: Sequence[Path], folder: Path) -> None:
    """Print the times of all sides, by the photos' longer side.

    Args:
        folder: of the disk cache.
    """
    samples, number = on_disk(files, folder), {file: place for place, file in enumerate(files)}
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
            "ours, disk cache": partial(kept, samples, crop, count(), [number[file] for file in group]),
            "ours, disk cache, batches": partial(
                in_batches, TrainDataset(samples, [], crop), count(), [number[file] for file in group]
            ),
        }
        medians = alternate(sides, 7, 1, clock=time.thread_time)
        speeds = ", ".join(f"{side} {len(group) / seconds:.0f}" for side, seconds in medians.items())
        report(f"{name}: {len(group)} files; images/s per core: {speeds}", medians)


if __name__ == "__main__":
    main()
