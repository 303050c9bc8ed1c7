"""Writes a set of street scenes in the layout of the Cityscapes downloads, whole or not at all.

root/streets.json                                          what made it: seed, counts, size, version
root/scenes.csv                                            split,image,scene
root/leftImg8bit/{train,val}/<city>/<city>_SSSSSS_000019_leftImg8bit.png
root/gtFine/{train,val}/<city>/<city>_SSSSSS_000019_gtFine_{labelIds,instanceIds}.png, _polygons.json
"""

import csv
import json
import shutil
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from tasks.common.cpu import cores, use_all_cores

VERSION = 1  # raise it when the same seed gives other pictures
KINDS = ("day", "dusk", "night", "fog", "rain", "snow")
CITIES = {
    "train": ("arvenhold", "brunmere", "caldstadt", "dorlingen", "eskmouth", "falkenrode"),
    "val": ("gildern", "harrowby"),
}
SMALLEST = 64  # pixels; below, nothing can be recognised


class Job(NamedTuple):
    """One picture to draw: everything it depends on, and where it goes below the root."""

    kind: str
    seed: tuple[int, int, int]
    height: int
    width: int
    image: str
    stem: str  # of its label files


def generate(
    root: Path,
    *,
    seed: int = 0,
    train: int = 400,
    val: int = 80,
    height: int = 256,
    width: int = 512,
    workers: int | None = None,
) -> None:
    """Draw `train` + `val` street scenes into `root`; a matching set that is already there is kept.

    The same arguments give the same bytes, however many `workers` (None: one for each core; 0 or 1: this process
    alone). Pictures are numbered, so a smaller set is the beginning of a larger one.

    Raises:
        ValueError: a count or the seed is negative, or a side is shorter than 64 pixels.
        FileExistsError: `root` holds something else.
    """
    for name, value, least in (
        ("seed", seed, 0), ("train", train, 0), ("val", val, 0),
        ("height", height, SMALLEST), ("width", width, SMALLEST), ("workers", workers or 0, 0),
    ):  # fmt: skip
        if value < least:
            raise ValueError(f"{name}={value} is too small: {name} must be at least {least}")
    made_by = {
        "generator": "mobilevision tasks.data.streets", "version": VERSION,
        "seed": seed, "train": train, "val": val, "height": height, "width": width,
    }  # fmt: skip
    root = Path(root)
    if _holds(root, made_by):
        return
    draft = root.absolute().parent / f".{root.name}.{uuid4().hex}"
    try:
        jobs = [
            job for split, count in (("train", train), ("val", val)) for job in _jobs(split, count, seed, height, width)
        ]
        for folder in {(draft / name).parent for job in jobs for name in (job.image, job.stem)} | {draft}:
            folder.mkdir(parents=True, exist_ok=True)
        _draw_all(draft, jobs, len(cores()) if workers is None else workers)
        with (draft / "scenes.csv").open("w", newline="") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("split", "image", "scene"))
            rows.writerows((job.image.split("/")[1], job.image, job.kind) for job in jobs)
        (draft / "streets.json").write_text(json.dumps(made_by, indent=2) + "\n")
        try:
            draft.rename(root)
        except OSError:  # someone else was faster
            if not _holds(root, made_by):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _holds(root: Path, made_by: dict[str, object]) -> bool:
    """Whether this very set is there already; anything else but an empty folder is in the way."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / "streets.json").read_text())
    except (OSError, ValueError, RecursionError):
        found = "something else"
    if found != made_by:
        raise FileExistsError(f"{root} holds {found}, not {made_by}: remove it or choose another folder")
    return True


def _jobs(split: str, count: int, seed: int, height: int, width: int) -> Iterator[Job]:
    cities = CITIES[split]
    for index in range(count):
        city = cities[index // len(KINDS) % len(cities)]  # each city sees every weather
        name = f"{split}/{city}/{city}_{index:06d}_000019"
        yield Job(
            kind=KINDS[index % len(KINDS)],
            seed=(seed, list(CITIES).index(split), index),
            height=height,
            width=width,
            image=f"leftImg8bit/{name}_leftImg8bit.png",
            stem=f"gtFine/{name}_gtFine",
        )


def _draw_all(folder: Path, jobs: list[Job], workers: int) -> None:
    main = getattr(sys.modules["__main__"], "__file__", None)
    if workers > 1 and (main is None or Path(main).exists()):  # a program typed into stdin cannot be spawned
        try:
            with ProcessPoolExecutor(min(workers, 16), get_context("spawn"), _one_thread) as pool:
                for _ in pool.map(_draw_one, repeat(folder), jobs, chunksize=4):
                    pass
            return
        except (BrokenExecutor, OSError):
            pass  # a script without a __main__ guard, or a machine that allows no pool: go on alone
    for job in jobs:
        _draw_one(folder, job)


def _one_thread() -> None:
    import signal

    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process as well, which ends this one

    cv2.setNumThreads(1)  # the pool already fills the cores
    use_all_cores()


def _draw_one(folder: Path, job: Job) -> None:
    import cv2

    from tasks.data.streets.picture import draw

    picture = draw(job.kind, seed=job.seed, height=job.height, width=job.width)
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 1]
    for name, pixels in (
        (job.image, picture.image[..., ::-1]),
        (f"{job.stem}_labelIds.png", picture.labels),
        (f"{job.stem}_instanceIds.png", picture.instances),
    ):
        if not cv2.imwrite(str(folder / name), pixels, fast):
            raise OSError(f"could not write {folder / name}")
    outlines = {"imgHeight": job.height, "imgWidth": job.width, "objects": picture.objects}
    (folder / f"{job.stem}_polygons.json").write_text(json.dumps(outlines, separators=(",", ":")))
