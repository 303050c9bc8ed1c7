"""What opening and scoring large data sets takes at ×1/8, ×1/2 and ×1 of COCO, ImageNet and Cityscapes, and the slope.

    python -m benchmarks.growth                          all of it: half an hour, 3 GB of disk for a while (Linux)
    python -m benchmarks.growth coco imagenet            some of it: coco | coco_masks | imagenet | cityscapes | score
    python -m benchmarks.growth coco --shares 0.125

Each opening is a process of its own, first with an empty cache, then with what the first has kept. Memory is beyond
that of the imports: the highest while opening, what is kept, and what eight workers that read 20,000 samples each hold
beyond eight that hold none, summed over all processes with shared pages counted once (PSS). The exponent is the slope
of log seconds over log size: 1 is linear.
"""

import argparse
import gc
import json
import math
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backbones.options import Parser
from benchmarks.arguments import existing
from benchmarks.large_sets import SETS

KINDS = ("coco", "coco_masks", "imagenet", "cityscapes", "score")
SHARES = (0.125, 0.5, 1.0)
SCORED = 41_000
WORKERS, TOUCHED = 8, 20_000
SIDES = {"ours": 1.0, "faster_coco_eval": 0.5, "pycocotools": 0.125}  # the largest share that a default run gives each


def opened(kind: str, root: Path | None) -> Any:
    """The training samples; the images to score are opened as well. Without a root, only modules are imported."""
    from tasks.data.datasets.cityscapes import Cityscapes
    from tasks.data.datasets.coco import Coco
    from tasks.data.datasets.imagenet import ImageNet
    from tasks.data.loading.handing import mapped  # torch, which loaders' workers import anyway

    assert callable(mapped)
    if root is None:
        return None
    targets = ["mask", "boxes"] if kind == "coco_masks" else ["boxes"]
    made: Any = {"imagenet": ImageNet, "cityscapes": Cityscapes}.get(kind)
    dataset = Coco(root, targets=targets) if made is None else made(root)
    assert dataset.classes
    dataset.val()
    return dataset.train()


def memory(process: int | str = "self") -> dict[str, float]:
    """Megabytes of a process by Linux' words: Pss, Private_Dirty, …"""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]
    return {key.rstrip(":"): int(size) / 1024 for key, size, _ in map(str.split, lines)}


def peak() -> float:
    """The most megabytes that this process has held since reset_peak()."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def touch(samples: Any) -> None:
    """Use what a sample is read by, without decoding an image."""
    order = random.Random(0).choices(range(len(samples)), k=TOUCHED)
    for index in order:
        samples.path(index)
        if getattr(samples, "boxes", None) is not None:
            samples.boxes.to_train(index)
        if getattr(samples, "masks", None) is not None and hasattr(samples.masks, "shapes"):
            for row in samples.masks.rows[samples.masks.ends[index] : samples.masks.ends[index + 1]].tolist():
                samples.masks.shapes.rings(row)
        if getattr(samples, "labels", None) is not None:
            assert samples.labels[index] >= 0


def hold(samples: Any, pipe: Any) -> None:
    """A worker: touch samples, say so, and wait. One of no samples imports the same modules."""
    opened("", None)
    if samples is not None:
        touch(samples)
    pipe.send("ready")
    pipe.recv()


def workers(samples: Any, method: str) -> tuple[float, float]:
    """Megabytes of all processes together while workers hold the samples, and seconds until all had touched some."""
    context: Any = multiprocessing.get_context(method)
    start, all_of_them = time.perf_counter(), []
    for _ in range(WORKERS):
        ours, theirs = context.Pipe()
        process = context.Process(target=hold, args=(samples, theirs), daemon=True)
        process.start()
        all_of_them.append((process, ours))
    for _, pipe in all_of_them:
        pipe.recv()
    seconds = time.perf_counter() - start
    total = sum(memory(process)["Pss"] for process in ("self", *(process.pid for process, _ in all_of_them)))
    for process, pipe in all_of_them:
        pipe.send("end")
        process.join()
    return total, seconds


def open_here(kind: str, root: Path, with_workers: bool) -> dict[str, float]:
    """Open a data set in this process; what that took."""
    from tasks.data.loading.handing import Handed

    opened("", None)
    gc.collect()
    before = memory()["Rss"]
    reset_peak()
    start, used = time.perf_counter(), time.process_time()
    samples = opened(kind, root)
    found = {"seconds": time.perf_counter() - start, "core": time.process_time() - used, "peak": peak() - before}
    gc.collect()
    found["held"] = memory()["Rss"] - before
    if with_workers:
        found["pickled"] = len(pickle.dumps(Handed(samples))) / 1e6
        for method in ("fork", "spawn"):
            nothing, _ = workers(None, method)
            both, found[f"{method}_seconds"] = workers(Handed(samples) if method == "spawn" else samples, method)
            found[method] = both - nothing
    return found


def score_here(side: str, share: float) -> dict[str, float]:
    """Score generated boxes in this process; what that took."""
    from benchmarks import coco_map

    images = int(SCORED * share)
    call = coco_map.SIDES[side](coco_map.make(images, int(images * coco_map.TRUTHS / coco_map.IMAGES)))
    gc.collect()
    before = memory()["Rss"]
    reset_peak()
    start, used = time.perf_counter(), time.process_time()
    numbers = coco_map.quiet(call)
    found = {"seconds": time.perf_counter() - start, "core": time.process_time() - used, "peak": peak() - before}
    return {**found, "data": before, "mAP": float(numbers[0] or 0)}


def child(*arguments: str) -> dict[str, float]:
    """What a fresh process of this script measured."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.growth", *arguments], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with {done.returncode}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """Slope of log values over log sizes, by least squares; NaN of one size."""
    if len(sizes) < 2:
        return math.nan
    return float(np.polyfit(np.log(sizes), np.log(np.maximum(values, 1e-9)), 1)[0])


def row(kind: str, size: str, found: dict[str, float]) -> None:
    """Print a line of the table."""
    parts = [f"{found['seconds']:7.2f} s ({found['core']:.1f} s of a core), peak {found['peak']:6.0f} MB"]
    if "held" in found:
        parts.append(f"held {found['held']:5.0f} MB")
    if "pickled" in found:
        parts.append(f"{found['pickled']:.3f} MB pickled to a worker")
        parts += [f"8 by {name}: {found[name]:+.0f} MB, {found[f'{name}_seconds']:.1f} s" for name in ("fork", "spawn")]
    print(f"  {kind:<28}{size:>11}  {'; '.join(parts)}", flush=True)


def grow_set(kind: str, shares: Sequence[float], place: Path) -> None:
    """Print the rows of a data set, and the slopes of the first and the second opening."""
    sizes: list[float] = []
    seconds: dict[str, list[float]] = {"first": [], "second": []}
    for share in shares:
        with tempfile.TemporaryDirectory(dir=place) as folder:
            os.environ["MOBILEVISION_CACHE"] = f"{folder}/cache"
            count = SETS[kind.partition("_")[0]](Path(folder) / "data", share)
            sizes.append(count)
            for turn, times in seconds.items():
                more = ["--workers"] if turn == "second" else []
                found = child("--open", kind, f"{folder}/data", *more)
                row(f"{kind}, {turn} opening", f"{count:,}", found)
                times.append(found["core"])
    slopes = ", ".join(f"{turn} {exponent(sizes, times):.2f}" for turn, times in seconds.items())
    print(f"  {kind}: exponent of the seconds of a core: {slopes}", flush=True)


def grow_score(shares: Sequence[float], *, all_sides: bool) -> None:
    """Print the rows of scoring by each side, and their slopes."""
    for side, most in SIDES.items():
        taken = [share for share in shares if share <= most or all_sides]
        found = [child("--score", side, str(share)) for share in taken]
        for share, one in zip(taken, found, strict=True):
            row(f"score, {side}", f"{int(SCORED * share):,}", one)
        slope = exponent(taken, [one["core"] for one in found])
        print(f"  score, {side}: exponent of the seconds of a core {slope:.2f}", flush=True)


def share_of(text: str) -> float:
    """A share of a data set's size, as typed."""
    share = float(text)
    if not 1e-4 <= share <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0.0001 to 1")
    return share


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", default=[], help=f"some of {', '.join(KINDS)}")
    parser.add_argument("--shares", type=share_of, nargs="+", default=SHARES)
    parser.add_argument("--all-sides", action="store_true", help="score with the peers at full size as well: 10 GB")
    parser.add_argument("--place", type=existing, help="folder in which the data sets are made and deleted")
    parser.add_argument("--open", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--score", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--workers", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := [kind for kind in options.kinds if kind not in KINDS]:
        parser.error(f"{unknown[0]}: there are {', '.join(KINDS)}")
    if options.open:
        print(json.dumps(open_here(options.open[0], Path(options.open[1]), options.workers)))
        return
    if options.score:
        print(json.dumps(score_here(options.score[0], float(options.score[1]))))
        return
    with tempfile.TemporaryDirectory(dir=options.place) as place:
        for kind in options.kinds or KINDS:
            if kind == "score":
                grow_score(options.shares, all_sides=options.all_sides)
            else:
                grow_set(kind, options.shares, Path(place))


if __name__ == "__main__":
    main()
