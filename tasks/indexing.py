"""A set of photos, one after the other: read ahead, damaged ones skipped and named, and an index of what was done."""

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich.progress import track

from tasks.data.images import Pixels, read_rgb
from tasks.errors import UserError


def predict_each(
    images: Sequence[Path],
    predict_one: Callable[[Pixels, Path], tuple[dict[str, Any], str]],
    folder: Path,
    *,
    upright: bool,
) -> None:
    """Predict every photo, and write index.csv.

    Args:
        images: files; those that are no images, or are damaged, are named, skipped and counted in the end.
        predict_one: of a photo (H, W, 3) and where its results go; gives what the index says of it, and a line for the
            terminal.
        folder: of the results.
        upright: whether photos are turned as their EXIF orientation says.

    Raises:
        UserError: for a photo that is refused, and if not one could be read.
    """
    names = unique_names(images)
    rows, skipped = [], 0
    for path, name, image in track(decoded(images, names, upright=upright), "predicting", len(images), transient=True):
        if isinstance(image, UserError):
            print(f"skipped: {image}", flush=True)
            rows.append({"image": str(path), "status": "skipped", "reason": str(image)})
            skipped += 1
            continue
        row = {"image": str(path), "status": "ok", "height": image.shape[0], "width": image.shape[1]}
        try:
            results, line = predict_one(image, name)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
        if line:
            print(f"{path}: {line}", flush=True)
        rows.append(row | results)
    write_index(folder / "index.csv", rows)
    print(f"{len(images) - skipped} images predicted, {skipped} skipped: {folder / 'index.csv'}", flush=True)
    if skipped == len(images):
        raise UserError(f"none of the {skipped} files could be read as an image")


def decoded(
    images: Sequence[Path], names: Sequence[Path], *, upright: bool
) -> Iterator[tuple[Path, Path, Pixels | UserError]]:
    """Images decoded a few ahead of the network; an error stands in for what could not be read.

    Args:
        upright: turned as their EXIF orientation says.
    """

    def read(path: Path) -> Pixels | UserError:
        try:
            return read_rgb(path, upright=upright)
        except UserError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        ahead = 4
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


def write_index(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One line per file: what it was, what became of it, where the results lie."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
