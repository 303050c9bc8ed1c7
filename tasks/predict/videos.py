"""Predicts the frames of a video or camera: an annotated video, each task's files and a line of the index per frame."""

import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.frame_overlay import frame_overlay
from tasks.common.output import Output
from tasks.data.files.film import SUFFIX, Film
from tasks.data.files.video import Frame, Video
from tasks.predict.address import with_login
from tasks.predict.ahead import ahead
from tasks.predict.index import Index
from tasks.predict.prediction import Find, Prediction, write_files
from tasks.predict.settings import Frames
from tasks.predict.sources import Live, Source

PAUSE = 30  # seconds between two lines about the progress, without a terminal


def open_video(source: Source) -> Video:
    """Open a video, a camera or a stream.

    Raises:
        UserError: if that fails.
    """
    if isinstance(source, Live):
        return Video(with_login(source.place) if isinstance(source.place, str) else source.place, str(source))
    return Video(source, str(source))


def predict_video(
    video: Video, name: Path, index: Index, find: Find, outputs: Mapping[str, Output], folder: Path, which: Frames
) -> int:
    """Predict the frames of an opened video, which is closed in the end; what ends it leaves whole files.

    The next frames are decoded and the last one is drawn and written while the network runs. One thread does the
    writing, so that a signal, which reaches the main thread only, cannot come between a frame and its line.

    Args:
        name: of the results: `overlays/<name>.webm`, and for each frame `labels/<name>/frame_000012.png` and the like.

    Returns:
        How many frames were predicted.

    Raises:
        UserError: for frames that the network or OpenCV refuses.
    """
    film = Film(folder / "overlays" / f"{name}{SUFFIX}", video.fps if video.live else video.fps / which.every)
    begin, done, last = time.monotonic(), 0, -1

    def write(frame: Frame, prediction: Prediction) -> None:
        nonlocal done, last
        row: dict[str, Any] = {"image": video.label, "status": "ok", "frame": frame.number}
        row |= {"seconds": f"{frame.seconds:.3f}", "height": frame.pixels.shape[0], "width": frame.pixels.shape[1]}
        row |= write_files(outputs, prediction, folder, name / f"frame_{frame.number:06}")
        picture = frame_overlay(outputs, frame.pixels, prediction.image, prediction.found)
        # A camera does not wait for the network: what was missed is filled up, so that the film runs at life's speed.
        due = int(frame.seconds * video.fps) + 1 - film.written if video.live else 1
        film.write(picture, max(1, due))
        index.add(row | {"overlays": str(film.path)})
        done, last = done + 1, frame.number

    total = video.count if video.count is None else -(-video.count // which.every)
    total = total if which.most is None else min(which.most, total or which.most)
    try:
        with (
            thread_pool(1) as writer,
            ahead(video.frames(which.every), newest=video.live) as frames,
            progress(video.label, total) as tell,
        ):
            writing: Future[None] | None = None
            for frame in islice(frames, which.most):
                try:
                    prediction = find(frame.pixels)
                except UserError as error:
                    raise UserError(f"{video.label}: frame {frame.number}: {error}") from error
                if writing is not None:
                    writing.result()
                writing = writer.submit(write, frame, prediction)
                tell(done)
            if writing is not None:
                writing.result()
    finally:
        film.close()
        rate = done / max(time.monotonic() - begin, 1e-9)
        print(f"{video.label}: {done} frames, {rate:.1f} frames/s: {film.path}", flush=True)
        if video.broken and (which.most is None or done < which.most):  # else frames made ahead came to the end
            print(f"{video.label}: {video.broken}", flush=True)
    return done


@contextmanager
def progress(label: str, total: int | None) -> Iterator[Any]:
    """Show how many frames are done, and how many in a second: a bar, or without a terminal a line now and then."""
    begin = told = time.monotonic()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}")
    with Progress(*columns, transient=True, disable=not sys.stdout.isatty()) as bar:
        task = bar.add_task("predicting", total=total, rate="")

        def tell(done: int) -> None:
            nonlocal told
            now = time.monotonic()
            rate = f"{done / max(now - begin, 1e-9):.1f} frames/s"
            bar.update(task, completed=done, rate=rate)
            if not sys.stdout.isatty() and now - told > PAUSE:
                told = now
                print(f"{label}: {done}{'' if total is None else f' of {total}'} frames, {rate}", flush=True)

        yield tell
