"""Packed images to training images of 224 × 224, one thread: ours from shards against torchvision's from files.

    python -m benchmarks.packed [<folder of JPEGs>] [--limit 500] [--side 256] [--quality 90]

Without a folder, generated street scenes of 375 × 500 are read. Ours: the images are packed first, as
`python -m tasks.pack side=256` does, then read by index, cropped (RandomResizedCrop), resized with antialiasing and
flipped. The others read the files: torchvision's reference on Pillow's images, its v2 transforms on the uint8 tensors
of `torchvision.io.decode_jpeg`. Their training images come from larger photos; so the same two are timed from files of
that side as well, which says what the shards add beside the smaller images.
"""

import argparse
import os
import tempfile
import time
from functools import partial
from itertools import count
from pathlib import Path

from backbones.options import Parser

os.environ["OMP_NUM_THREADS"] = "1"

import cv2
import numpy as np
import torch
from torchvision.transforms import v2

from benchmarks.arguments import existing
from benchmarks.input_pipeline import SIZE, on_tensors, ours, reference
from benchmarks.photos import jpegs
from benchmarks.timing import alternate, report
from tasks.data.files.files import LabelledFiles
from tasks.data.packed.columns import from_bytes
from tasks.data.packed.convert import Form
from tasks.data.packed.index import Side
from tasks.data.packed.pack import Packing, pack_split
from tasks.data.packed.place import Place
from tasks.data.packed.samples import PackedSamples
from tasks.data.packed.shards import Shards
from tasks.data.transforms.crop import RandomResizedCrop


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=existing)
    parser.add_argument("--limit", type=int, default=500, help="files taken, evenly from all")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--quality", type=int, default=90)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as made:
        files = jpegs(options.folder, options.limit, Path(made))
        measure(files, Form(options.side, options.quality), Path(made))


def packed(files: list[Path], form: Form, folder: Path) -> PackedSamples:
    """The files as shards."""
    folder.mkdir()
    samples = LabelledFiles(Path("/"), [str(file.absolute())[1:] for file in files], [0] * len(files))
    to = Packing(Place(folder), folder, 128 << 20, {"label": 1})
    side: Side = pack_split("train", samples, form, to, max_broken=0, progress=lambda numbers, _: numbers)[0]
    columns = from_bytes((folder / "train.npz").read_bytes(), side.samples, {"label": 1}, "train.npz")
    shards = Shards(Place(folder), side.shards, None)
    return PackedSamples(shards, columns, {"label": ["any"]}, source=folder / "train.npz", upright=side.upright)


def from_shards(crop: RandomResizedCrop, seeds: "count[int]", samples: PackedSamples) -> None:
    for index in range(len(samples)):  # a new generator per image, as in training
        generator = np.random.default_rng((0, 0, next(seeds)))
        image = samples.read(index, lambda source, drawn=generator: crop(source, drawn))["image"]  # type: ignore[misc]
        torch.from_numpy(image).permute(2, 0, 1)


def measure(files: list[Path], form: Form, folder: Path) -> None:
    """Print the times of all sides."""
    samples = packed(files, form, folder / "packed")
    small = folder / "small"
    small.mkdir()
    for index in range(len(samples)):
        (small / f"{index:06d}.jpg").write_bytes(samples.images.file(index, "").data)
    smaller = sorted(small.iterdir())
    crop = RandomResizedCrop(SIZE)
    steps = [v2.RandomResizedCrop(SIZE, antialias=True), v2.RandomHorizontalFlip()]
    pillow, tensors = v2.Compose([*steps, v2.PILToTensor()]), v2.Compose(steps)
    sides = {
        "ours, packed": partial(from_shards, crop, count(), samples),
        "torchvision, Pillow, from files": partial(reference, pillow, files),
        "torchvision, decode_jpeg, from files": partial(on_tensors, tensors, files),
        "ours, from files": partial(ours, crop, count(), files),
        "torchvision, Pillow, from small files": partial(reference, pillow, smaller),
        "torchvision, decode_jpeg, from small files": partial(on_tensors, tensors, smaller),
    }
    medians = alternate(sides, 9, 1, clock=time.thread_time)
    speeds = ", ".join(f"{side} {len(files) / seconds:.0f}" for side, seconds in medians.items())
    size, before = sum(shard.bytes for shard in samples.shards.shards), sum(file.stat().st_size for file in files)
    print(f"{len(files)} files of {before / len(files) / 1e3:.1f} kB, {size / len(files) / 1e3:.1f} kB packed")
    report(f"side {form.side}, quality {form.quality}; images/s per core: {speeds}", medians)


if __name__ == "__main__":
    main()
