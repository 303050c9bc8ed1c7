"""Videos, cameras and streams as RGB frames, decoded by OpenCV's FFmpeg."""

import contextlib
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.opening import MAX_PIXELS, open_file

TIMEOUT = 10_000  # milliseconds until a stream that does not answer has failed
OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
# A file that somebody sent may be a playlist, which names other files and addresses: only containers are opened.
CONTAINERS = "mov,mp4,avi,matroska,webm,mpeg,mpegvideo,mpegts,ogg,flv,asf,m4v,h264,hevc,ivf,mxf,dv,gif"
OF_FILES = f"protocol_whitelist;file|format_whitelist;{CONTAINERS}"
OF_STREAMS = (
    "rtsp_transport;tcp|protocol_whitelist;rtp,rtsp,tcp,tls,udp,srtp,crypto|format_whitelist;rtsp,sdp,rtp,mpegts"
)
USUAL_RATE = 25.0  # frames per second, if a source does not say


class Frame(NamedTuple):
    """One frame of a video.

    Attributes:
        number: from 0, counting those left out.
        seconds: since the first frame; of a live source by this machine's clock.
        pixels: (H, W, 3) uint8 RGB, turned as the file says.
    """

    number: int
    seconds: float
    pixels: Pixels


class Video:
    """An opened video, camera or stream.

    Args:
        source: a file, the number of a camera, or an address with its login.
        label: what messages and the index call it.

    Attributes:
        live: whether frames come when they are taken, not when they are asked for.
        fps: frames per second.
        count: of frames, as the file says; None if it does not.
        broken: where the source ended although it should not; "" if it did not.

    Raises:
        UserError: if it cannot be opened, or has no frame.
    """

    def __init__(self, source: Path | int | str, label: str) -> None:
        self.label, self.live, self.broken = label, not isinstance(source, Path), ""
        if isinstance(source, Path):
            try:
                open_file(source).close()  # OpenCV would not say what is wrong with the file
            except OSError as error:
                raise UserError(f"{label}: {(error.strerror or str(error)).lower()}") from None
        self.capture = opened(source)
        if not self.capture.isOpened():
            raise UserError(f"{label}: {why_not(source)}")
        width, height = (self.capture.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
        if width * height > MAX_PIXELS:
            raise UserError(f"{label}: frames of {width:.0f}×{height:.0f} pixels are too large")
        if not self.capture.grab():
            self.close()
            raise UserError(f"{label}: not a single frame can be read")
        rate, count = self.capture.get(cv2.CAP_PROP_FPS), self.capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.fps = float(rate) if math.isfinite(rate) and 0 < rate <= 1000 else USUAL_RATE
        self.count = int(count) if not self.live and 0 < count < 2**40 else None

    def frames(self, every: int) -> Iterator[Frame]:
        """Yield every n-th frame, the first one first; afterwards the source is closed."""
        number, begin, seconds = 0, time.monotonic(), 0.0
        try:
            while True:
                if self.live:
                    seconds = time.monotonic() - begin
                else:
                    told = self.capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    seconds = told if told > 0 or number == 0 else number / self.fps
                if number % every == 0:
                    read, pixels = self.capture.retrieve()
                    if not read:
                        break
                    yield Frame(number, seconds, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)))
                number += 1
                if not self.capture.grab():
                    break
            self.broken = self.end_of(number, seconds)
        finally:
            self.close()

    def end_of(self, read: int, seconds: float) -> str:
        """A line about an early end after so many frames; ''. Headers of some containers are a frame or so too high."""
        if self.live:
            return f"ended after {read} frames ({seconds:.2f} s)"
        if self.count is None or self.count - read <= 1 + self.count // 100:
            return ""
        return f"broken after frame {read - 1} ({seconds:.2f} s), {self.count} were expected; what was read is kept"

    def close(self) -> None:
        """Close the file or device."""
        self.capture.release()


def opened(source: Path | int | str) -> Any:
    """OpenCV's capture of a source, opened or not; OpenCV prints nothing about it."""
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    if isinstance(source, int):
        with silent():
            return cv2.VideoCapture(source)
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # its messages may hold an address
    before, own = os.environ.get(OPTIONS), OF_FILES if isinstance(source, Path) else OF_STREAMS
    if before is None or isinstance(source, Path):
        os.environ[OPTIONS] = own
    limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT]
    try:
        with silent():
            # Only FFmpeg: other backends take a name such as clip_01.mp4 for a series of images.
            name = str(source.absolute()) if isinstance(source, Path) else source
            return cv2.VideoCapture(name, cv2.CAP_FFMPEG, limits)
    finally:
        os.environ.pop(OPTIONS)
        if before is not None:
            os.environ[OPTIONS] = before


def why_not(source: Path | int | str) -> str:
    """Why a source could not be opened, and what to do."""
    if isinstance(source, int):
        here = sorted(path.name.removeprefix("video") for path in Path("/dev").glob("video*"))
        return f"no camera answers (cameras here: {', '.join(here) or 'none'})"
    if isinstance(source, str):
        return "no stream answers: check host, port, path and login (MOBILEVISION_CAMERA_LOGIN=user:password)"
    return "OpenCV cannot open it: no video, cut off before its index, or a codec that this OpenCV lacks"


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Close file descriptor 2 for what OpenCV prints by itself while it opens something."""
    try:
        kept = os.dup(2)
    except OSError:  # there is none
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
