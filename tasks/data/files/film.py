"""Writes frames as a video that browsers and players open: VP8 in WebM.

OpenCV's wheels bring no encoder for H.264, and no browser plays their MPEG-4. A WebM file can be played however its
writing ended. VP9 takes five times as long.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.video import silent

SUFFIX, CODEC = ".webm", "VP80"


class Film:
    """A video that is being written; the first frame says its size.

    Args:
        path: of the file; its folder is created.
        fps: frames per second.
    """

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self.fps, self.written = path, fps, 0
        self.writer: Any = None
        self.size = (0, 0)

    def write(self, picture: Pixels, times: int = 1) -> None:
        """Append a picture (H, W, 3) RGB so many times; one of another size is resized to the first one's.

        Of an odd height or width the last row or column is left out, because VP8's colours are stored for 2×2 pixels.

        Raises:
            UserError: if OpenCV cannot write it.
        """
        if self.writer is None:
            self.size = (picture.shape[1], picture.shape[0])
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with silent():
                self.writer = cv2.VideoWriter(
                    str(self.path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODEC), self.fps, self.size
                )
            if not self.writer.isOpened():
                raise UserError(
                    f"{self.path}: OpenCV cannot write VP8 in WebM here ({self.size[0]}×{self.size[1]} pixels): its "
                    "wheels can, up to 16383 pixels a side: pip install --force-reinstall opencv-python-headless"
                )
        if (picture.shape[1], picture.shape[0]) != self.size:
            picture = cv2.resize(picture, self.size, interpolation=cv2.INTER_AREA).astype(np.uint8)
        coded = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        for _ in range(times):
            self.writer.write(coded)
        self.written += times

    def close(self) -> None:
        """Finish the file."""
        if self.writer is not None:
            self.writer.release()
