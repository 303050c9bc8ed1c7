"""Predicts a set of photos one by one: reads ahead, skips and reports damaged files, writes an index."""

import csv
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.images import read_rgb


def predict_each(
    images: Sequence[Path],
    predict_one: Callable[[Pixels, Path], tuple[dict[str, Any], str]],
    folder: Path,
    *,
    upright: bool,
    white: float | None = None,
) -> None:
    """Predict every photo; each gets its line in index.csv as soon as it is done.

    Args:
        images: files; damaged files and non-images are reported and skipped, and their number is printed at the end.
        predict_one: called with a photo (H, W, 3) and the name for its results; returns its row of the index and a line
            for the terminal.
        folder: for the results.
        upright: whether photos are rotated according to their EXIF orientation.
        white: the white value of photos with more than 8 bits per channel; None to read it from the file.

    Raises:
        UserError: if `predict_one` rejects a photo, or no photo could be read.
    """
    names = unique_names(images)
    index, skipped = Index(folder / "index.csv"), 0
    for path, name, image in track(
        decoded(images, names, upright=upright, white=white), "predicting", len(images), transient=True
    ):
        if isinstance(image, UserError):
            print(f"skipped: {image}", flush=True)
            index.add({"image": str(path), "status": "skipped", "reason": str(image)})
            skipped += 1
            continue
        row = {"image": str(path), "status": "ok", "height": image.shape[0], "width": image.shape[1]}
        try:
            results, line = predict_one(image, name)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if line:
            print(f"{path}: {line}", flush=True)
        index.add(row | results)
    print(f"{len(images) - skipped} images predicted, {skipped} skipped: {index.path}", flush=True)
    if skipped == len(images):
        raise UserError(f"none of the {skipped} files could be read as an image")


def decoded(
    images: Sequence[Path], names: Sequence[Path], *, upright: bool, white: float | None
) -> Iterator[tuple[Path, Path, Pixels | UserError]]:
    """Decode images a few ahead of the network; yields an error in place of an unreadable image.

    Args:
        upright: whether to rotate them according to their EXIF orientation.
        white: see read_rgb.
    """

    def read(path: Path) -> Pixels | UserError:
        try:
            return read_rgb(path, upright=upright, white=white)
        except UserError as error:
            return error

    with thread_pool(2) as pool:
        ahead = 2  # each may take hundreds of megabytes
        waiting = [pool.submit(read, path) for path in images[:ahead]]
        for number, (path, name) in enumerate(zip(images, names, strict=True)):
            if number + ahead < len(images):
                waiting.append(pool.submit(read, images[number + ahead]))
            yield path, name, waiting.pop(0).result()


def unique_names(images: Sequence[Path]) -> list[Path]:
    """Name for each image's results: its path below the common folder of all images, without suffix if unambiguous."""
    shared = Path(os.path.commonpath([path.absolute().parent for path in images]))
    below = [path.absolute().relative_to(shared) for path in images]
    count = Counter(path.with_suffix("") for path in below)
    short = [path.with_suffix("") if count[path.with_suffix("")] == 1 else path for path in below]
    return short if len(set(short)) == len(short) else below


class Index:
    """A CSV file with one line per photo: the photo, its status and the paths of its results.

    It stays complete if the process is killed: each line is written at once, and a new column replaces the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.columns: dict[str, None] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Add a line; new columns are appended on the right."""
        self.rows.append(row)
        if row.keys() <= self.columns.keys():
            with self.path.open("ab") as file:
                file.write(self.lines([row]))
            return
        self.columns |= dict.fromkeys(row)
        beside = self.path.with_name(f".{self.path.name}.partial")
        beside.write_bytes(self.lines([{key: key for key in self.columns}, *self.rows]))
        beside.replace(self.path)

    def lines(self, rows: Sequence[dict[str, Any]]) -> bytes:
        """Encode rows as UTF-8; bytes of file names that are not UTF-8 are escaped."""
        text = io.StringIO(newline="")
        csv.DictWriter(text, list(self.columns)).writerows(rows)
        return text.getvalue().encode(errors="backslashreplace")
