"""Writes a set of street scenes in the layout of the Cityscapes downloads, atomically.

root/streets.json                                          its parameters: seed, counts, size, version root/scenes.csv
split,image,scene root/leftImg8bit/{train,val}/<city>/<city>_SSSSSS_000019_leftImg8bit.png
root/gtFine/{train,val}/<city>/<city>_SSSSSS_000019_gtFine_{labelIds,instanceIds}.png, _polygons.json
"""

import csv
import json
import shutil
import signal
import sys
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import suppress
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

import cv2

from tasks.common.cpu import cores, use_all_cores
from tasks.data.streets.folder import holds
from tasks.data.streets.picture import draw

VERSION = 2  # increase when the same seed gives different pictures
KINDS = ("day", "dusk", "night", "fog", "rain", "snow")
CITIES = {
    "train": ("arvenhold", "brunmere", "caldstadt", "dorlingen", "eskmouth", "falkenrode"),
    "val": ("gildern", "harrowby"),
}
SMALLEST = 64  # pixels; below this nothing is recognisable


class Job(NamedTuple):
    """One picture to draw: everything it depends on, and its path below the root."""

    kind: str
    seed: tuple[int, int, int]
    height: int
    width: int
    name: str  # split/city/file, without an ending


def generate(
    root: Path, *, seed: int = 0, train: int = 400, val: int = 80, height: int = 256, width: int = 512,
    workers: int | None = None, announce: bool = False,
) -> None:  # fmt: skip
    """Draw `train` + `val` street scenes into `root`; an existing matching set is kept.

    The same arguments give the same bytes, however many `workers` (None: one per core; 0 or 1: only this process).
    Pictures are numbered, so a smaller set is a prefix of a larger one.

    Args:
        announce: whether a line says so before drawing begins.

    Raises:
        ValueError: a count or the seed is negative, or a side is shorter than 64 pixels.
        FileExistsError: `root` contains something else.
    """
    arguments = {"seed": seed, "train": train, "val": val, "height": height, "width": width}
    for name, value in {**arguments, "workers": workers or 0}.items():
        if value < (least := SMALLEST if name in ("height", "width") else 0):
            raise ValueError(f"{name}={value} is too small: {name} must be at least {least}")
    made_by = {"generator": "mobilevision tasks.data.streets", "version": VERSION, **arguments}
    if holds(root := Path(root), made_by):
        return
    if announce:
        print(f"drawing {train + val} street scenes into {root} …", flush=True)
    jobs = [_job(split, index, seed, height, width) for split in CITIES for index in range(arguments[split])]
    draft = root.absolute().parent / f".{root.name}.{uuid4().hex}"
    try:
        cities = {Path(job.name).parent for job in jobs}
        for folder in (draft, *(draft / kind / city for city in cities for kind in ("leftImg8bit", "gtFine"))):
            folder.mkdir(parents=True, exist_ok=True)
        _draw_all(draft, jobs, len(cores()) if workers is None else workers)
        with (draft / "scenes.csv").open("w", newline="", encoding="utf-8") as file:
            rows = [(job.name.split("/")[0], f"leftImg8bit/{job.name}_leftImg8bit.png", job.kind) for job in jobs]
            csv.writer(file, lineterminator="\n").writerows([("split", "image", "scene"), *rows])
        (draft / "streets.json").write_text(json.dumps(made_by, indent=2) + "\n", encoding="utf-8")
        try:
            draft.replace(root)
        except OSError:  # another process was faster
            if not holds(root, made_by):
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _job(split: str, index: int, seed: int, height: int, width: int) -> Job:
    city = CITIES[split][index // len(KINDS) % len(CITIES[split])]  # each city has every weather
    name = f"{split}/{city}/{city}_{index:06d}_000019"
    return Job(KINDS[index % len(KINDS)], (seed, list(CITIES).index(split), index), height, width, name)


def _draw_all(folder: Path, jobs: list[Job], workers: int) -> None:
    main = getattr(sys.modules["__main__"], "__file__", None)
    if workers > 1 and (main is None or Path(main).exists()):  # a program read from stdin cannot be spawned
        with suppress(BrokenExecutor, OSError):  # no __main__ guard, or a machine that allows no pool
            with ProcessPoolExecutor(min(workers, 16), get_context("spawn"), _one_thread) as pool:
                list(pool.map(_draw_one, repeat(folder), jobs, chunksize=4))
            return
    for job in jobs:
        _draw_one(folder, job)


def _one_thread() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches the main process, which ends this one
    cv2.setNumThreads(1)  # the pool already fills the cores
    use_all_cores()


def _draw_one(folder: Path, job: Job) -> None:
    picture = draw(job.kind, seed=job.seed, height=job.height, width=job.width)
    for name, pixels in (
        (f"leftImg8bit/{job.name}_leftImg8bit", picture.image[..., ::-1]),
        (f"gtFine/{job.name}_gtFine_labelIds", picture.labels),
        (f"gtFine/{job.name}_gtFine_instanceIds", picture.instances),
    ):
        if not cv2.imwrite(f"{folder / name}.png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1]):
            raise OSError(f"could not write {folder / name}.png")
    outlines = {"imgHeight": job.height, "imgWidth": job.width, "objects": picture.objects}
    (folder / f"gtFine/{job.name}_gtFine_polygons.json").write_text(
        json.dumps(outlines, separators=(",", ":")), encoding="utf-8"
    )
