"""Tiny videos for tests: a red rectangle that moves right over a grey wall, and a blue one that moves left."""

from pathlib import Path

import cv2
import numpy as np

from tasks.data.files.video import silent

CODECS = {".mp4": "mp4v", ".avi": "MJPG", ".webm": "VP80", ".ts": "mp4v"}


def write_clip(path: Path, frames: int = 8, size: tuple[int, int] = (96, 64), fps: float = 12.5) -> Path:
    """Write a video of this (width, height) by its suffix."""
    width, height = size
    with silent():
        writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*CODECS[path.suffix]), fps, size)
    assert writer.isOpened(), path
    for number in range(frames):
        frame = np.full((height, width, 3), (120, 110, 90), np.uint8)
        frame[height // 2 :] = 60
        cv2.rectangle(frame, (2 + 3 * number, 20), (20 + 3 * number, 50), (30, 30, 220), -1)
        cv2.rectangle(frame, (70 - 4 * number, 8), (82 - 4 * number, 22), (220, 120, 20), -1)
        writer.write(frame)
    writer.release()
    return path


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames of a video as RGB, by OpenCV alone."""
    capture, found = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), []
    while True:
        read, frame = capture.read()
        if not read:
            return found
        found.append(frame[..., ::-1].copy())


def facts(path: Path) -> tuple[float, int, int, int]:
    """Frames per second, width, height and number of frames that can be read."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    rate, width, height = (
        capture.get(key) for key in (cv2.CAP_PROP_FPS, cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    )
    return round(rate, 2), int(width), int(height), len(frames_of(path))
