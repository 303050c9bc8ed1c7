"""A set of photos, one after the other: read ahead, damaged ones skipped and named, and an index of what was done."""

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
    """Predict every photo; index.csv has a line of each as soon as it is done.

    Args:
        images: files; those that are no images, or are damaged, are named, skipped and counted in the end.
        predict_one: of a photo (H, W, 3) and where its results go; gives what the index says of it, and a line for the
            terminal.
        folder: of the results.
        upright: whether photos are turned as their EXIF orientation says.
        white: the value that is white in photos of more than 8 bits a channel; None for what they say.

    Raises:
        UserError: for a photo that is refused, and if not one could be read.
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
    """Images decoded a few ahead of the network; an error stands in for what could not be read.

    Args:
        upright: turned as their EXIF orientation says.
        white: see read_rgb.
    """

    def read(path: Path) -> Pixels | UserError:
        try:
            return read_rgb(path, upright=upright, white=white)
        except UserError as error:
            return error

    with thread_pool(2) as pool:
        ahead = 2  # each may have hundreds of megabytes
        waiting = [pool.submit(read, path) for path in images[:ahead]]
        for number, (path, name) in enumerate(zip(images, names, strict=True)):
            if number + ahead < len(images):
                waiting.append(pool.submit(read, images[number + ahead]))
            yield path, name, waiting.pop(0).result()


def unique_names(images: Sequence[Path]) -> list[Path]:
    """Where each image's results go: its path below the folder that all images share, without suffix if unambiguous."""
    shared = Path(os.path.commonpath([path.absolute().parent for path in images]))
    below = [path.absolute().relative_to(shared) for path in images]
    count = Counter(path.with_suffix("") for path in below)
    short = [path.with_suffix("") if count[path.with_suffix("")] == 1 else path for path in below]
    return short if len(set(short)) == len(short) else below


class Index:
    """A CSV file, one line per photo: what it was, what became of it, where the results lie.

    It is whole whenever the process is killed: a line is written in one go, and for a new column the file is replaced.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []
        self.columns: dict[str, None] = {}

    def add(self, row: dict[str, Any]) -> None:
        """Add a line; its new columns come last."""
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
        """Rows as UTF-8; bytes of file names that are not are escaped."""
        text = io.StringIO(newline="")
        csv.DictWriter(text, list(self.columns)).writerows(rows)
        return text.getvalue().encode(errors="backslashreplace")
