"""Predicts photos and videos one by one: reads ahead, skips and reports damaged files, writes an index."""

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.console import track
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.images import read_rgb
from tasks.predict.index import Index
from tasks.predict.sources import Source, is_video, paths_of

if TYPE_CHECKING:
    from tasks.data.files.video import Video

    PredictFrames = Callable[[Video, Path, Index], int]


def predict_each(
    sources: Sequence[Source],
    predict_one: Callable[[Pixels, Path], tuple[dict[str, Any], str]],
    folder: Path,
    *,
    upright: bool,
    white: float | None = None,
    predict_frames: "PredictFrames | None" = None,
) -> None:
    """Predict every photo and video; each photo and frame gets its line in index.csv as soon as it is done.

    Args:
        sources: damaged files and those that are neither photo nor video are reported and skipped, and their number is
            printed at the end.
        predict_one: called with a photo (H, W, 3) and the name for its results; returns its row of the index and a line
            for the terminal.
        folder: for the results.
        upright: whether photos are rotated according to their EXIF orientation. Videos are turned as players do it.
        white: the white value of photos with more than 8 bits per channel; None to read it from the file.
        predict_frames: called with a video, the name for its results and the index; returns the number of frames. None
            if there is no video.

    Raises:
        UserError: if `predict_one` or `predict_frames` rejects an image, or no photo and no video could be read.
    """
    names = unique_names(paths_of(sources))
    index, skipped, photos, videos, frames = Index(folder / "index.csv"), 0, 0, 0, 0

    def skip(source: Source, error: UserError) -> None:
        nonlocal skipped
        print(f"skipped: {error}", flush=True)
        index.add({"image": str(source), "status": "skipped", "reason": str(error)})
        skipped += 1

    def predict_photos(images: Sequence[Path], names: Sequence[Path]) -> None:
        nonlocal photos
        ahead = decoded(images, names, upright=upright, white=white)
        for path, name, image in track(ahead, "predicting", len(images)):
            if isinstance(image, UserError):
                skip(path, image)
                continue
            row = {"image": str(path), "status": "ok", "height": image.shape[0], "width": image.shape[1]}
            try:
                results, line = predict_one(image, name)
            except UserError as error:
                raise UserError(f"{path}: {error}") from error
            if line:
                print(f"{path}: {line}", flush=True)
            index.add(row | results)
            photos += 1

    for moves, group in groupby(zip(sources, names, strict=True), key=lambda pair: is_video(pair[0])):
        pairs = list(group)
        if not moves:
            predict_photos([path for path, _ in pairs if isinstance(path, Path)], [name for _, name in pairs])
            continue
        if predict_frames is None:
            raise ValueError(f"{pairs[0][0]}: nothing was given that predicts videos")
        from tasks.predict.videos import open_video  # OpenCV: not for photos alone

        for source, name in pairs:
            try:
                video = open_video(source)
            except UserError as error:
                if len(sources) == 1:
                    raise
                skip(source, error)
                continue
            frames += predict_frames(video, name, index)
            videos += 1
    moving = any(map(is_video, sources))
    done = [] if moving and not photos else [f"{photos} images"]
    done += [f"{frames} frames of {videos} video{'s' * (videos != 1)}"] * moving
    print(f"{' and '.join(done)} predicted, {skipped} skipped: {index.path}", flush=True)
    if skipped == len(sources):
        raise UserError(f"none of the {skipped} files could be read as an image{' or video' * moving}")


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
    whole = [Path(os.path.abspath(path)) for path in images]  # noqa: PTH100 - without "..", links stay
    shared = Path(os.path.commonpath([path.parent for path in whole]))
    below = [path.relative_to(shared) for path in whole]
    count = Counter(path.with_suffix("") for path in set(below))  # a list may name a file twice
    short = [path.with_suffix("") if count[path.with_suffix("")] == 1 else path for path in below]
    return short if len(set(short)) == len(set(below)) else below
