"""COCO's mAP of 5,000 images x 100 detections x 80 classes, 36k truths: ours, faster-coco-eval's and pycocotools'.

    python -m benchmarks.coco_map            about two minutes

The data are generated: detections are near truths, the closer the higher their score, or anywhere. Each side starts
from its own form of the data, arrays or a COCO object, and ends with the twelve numbers, asserted equal. Memory is the
peak of scoring in a fresh process, beyond the data and the imports.
"""

import argparse
import contextlib
import importlib.util
import io
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from backbones.options import Parser
from benchmarks.timing import alternate, report
from tasks.detect.arrange import Found, Integers, Truths
from tasks.detect.coco_map import evaluate
from tasks.detect.official import found_rows, index, score, truth_rows

IMAGES, DETECTIONS, CLASSES, TRUTHS = 5000, 100, 80, 36_000
PEER = "faster_coco_eval"
Data = tuple[Truths, Found, Integers, Integers]
Numbers = list[float | None]


def make(image_count: int = IMAGES, truth_count: int = TRUTHS) -> Data:
    """As in COCO's val2017 some classes are frequent, 1 % are crowds, and sizes cover all three ranges."""
    random = np.random.default_rng(0)
    images, categories = np.arange(1, image_count + 1), np.arange(1, CLASSES + 1)
    share = 1 / categories / (1 / categories).sum()
    sizes = np.exp(random.normal(4, 1, (truth_count, 2))).clip(2, 480)
    truths = Truths(
        np.sort(random.choice(images, truth_count)),
        random.choice(categories, truth_count, p=share),
        np.concatenate((random.random((truth_count, 2)) * (640 - sizes), sizes), 1).round(2),
        sizes.prod(1) * random.uniform(0.4, 1, truth_count),
        random.random(truth_count) < 0.01,
    )

    image = np.repeat(images, DETECTIONS)
    count = len(image)
    first, last = (np.searchsorted(truths.image, image, side) for side in ("left", "right"))
    near = (random.random(count) < 0.6) & (first < last)
    source = np.where(near, first + (random.random(count) * (last - first)).astype(int), 0)  # one of the image's truths
    quality = near * random.random(count)
    category = np.where(
        random.random(count) < quality, truths.category[source], random.choice(categories, count, p=share)
    )
    jitter = random.normal(0, 0.3, (count, 4)) * (1 - quality)[:, None] * np.tile(truths.boxes[source, 2:], 2)
    boxes = np.where(near[:, None], truths.boxes[source] + jitter, random.random((count, 4)) * 320)
    boxes[:, 2:] = boxes[:, 2:].clip(1)
    scores = (0.6 * quality + 0.4 * random.random(count)).astype(np.float32).astype(np.float64)
    return truths, Found(image, category, boxes, scores), images, categories


def ours(data: Data) -> Callable[[], Numbers]:
    return lambda: list(evaluate(*data).numbers.values())


def pycocotools(data: Data) -> Callable[[], Numbers]:
    truths, found, *ids = data
    with contextlib.redirect_stdout(io.StringIO()):
        sides = index(truth_rows(truths), *ids), index(found_rows(found), *ids)
    return lambda: list(score(*sides).numbers.values())


def faster_coco_eval(data: Data) -> Callable[[], Numbers]:
    from faster_coco_eval import COCO, COCOeval_faster

    truths, found, images, categories = data
    instances = COCO(
        {
            "images": [{"id": image} for image in images.tolist()],
            "categories": [{"id": category, "name": str(category)} for category in categories.tolist()],
            "annotations": truth_rows(truths),
        }
    )
    results = instances.loadRes(found_rows(found))

    def call() -> Numbers:
        evaluation = COCOeval_faster(instances, results, "bbox")
        evaluation.run()
        return [None if value == -1 else float(value) for value in evaluation.stats[:12]]

    return call


SIDES = {"ours": ours, PEER: faster_coco_eval, "pycocotools": pycocotools}


def memory(side: str) -> float:
    """Peak MB of a first scoring in this process (Linux)."""

    def read(field: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(field))

    call = SIDES[side](make())
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = read("VmRSS")
    with contextlib.redirect_stdout(io.StringIO()):
        call()
    return (read("VmHWM") - before) / 1024


def quiet(call: Callable[[], Numbers]) -> Numbers:
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1, help="of all sides; pycocotools takes most of a minute")
    parser.add_argument("--memory-of", choices=SIDES, help="print one side's peak only")
    options = parser.parse_args()
    if options.memory_of:
        print(memory(options.memory_of))
        return
    sides = dict(SIDES)
    if importlib.util.find_spec(PEER) is None:
        print("faster-coco-eval is not there, its side is left out: pip install 'mobilevision[benchmarks]'")
        del sides[PEER]
    data = make()
    calls = {name: partial(quiet, side(data)) for name, side in sides.items()}
    numbers = {name: np.array(call(), float) for name, call in calls.items()}
    for name, values in numbers.items():
        assert np.allclose(values, numbers["ours"], rtol=0, atol=1e-12), f"{name} differs: {values - numbers['ours']}"
    print(f"mAP {numbers['ours'][0]:.4f}, mAP50 {numbers['ours'][1]:.4f}: the twelve numbers are equal to 1e-12")
    report(f"{len(data[0].image):,} truths, {len(data[1].image):,} detections", alternate(calls, options.rounds, 0))
    if sys.platform == "linux":
        peaks = {}
        for name in sides:
            command = [sys.executable, "-m", "benchmarks.coco_map", "--memory-of", name]
            peaks[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
            print(f"  {name:<44}{peaks[name]:10.0f} MB{peaks[name] / peaks['ours']:8.1f} x")


if __name__ == "__main__":
    main()
