"""What tasks find in a frame of a video, drawn on it: the frame keeps its size, and the legend lies on it."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from tasks.common.labels import Pixels
from tasks.common.legend import with_legend
from tasks.common.output import Found, Layer, Output

OPAQUE = 0.8  # of captions and legend
MOST = 4  # the legend takes at most this part of the height: 1 / MOST


def frame_overlay(outputs: Mapping[str, Output], frame: Pixels, seen: Pixels, found: Mapping[str, Found]) -> Pixels:
    """A frame (H, W, 3) with what all tasks find in it, of the same size.

    Captions lie on its first rows, the legend on its last ones.

    Args:
        seen: the pixels that `found` refers to: the frame, or the network's input.
    """
    layers = sorted(outputs, key=lambda key: outputs[key].layer)
    areas = [key for key in layers if outputs[key].layer != Layer.CAPTION]
    picture = seen if areas else frame
    for key in areas:
        picture = outputs[key].on_frame(picture, found[key], key != areas[0])
    if picture.shape != frame.shape:
        size = frame.shape[1], frame.shape[0]
        picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))
    picture = picture.copy()
    height, width = frame.shape[:2]
    top = 0
    for key in layers:
        if key not in areas:
            strip = outputs[key].overlay(frame, found[key], True)[:-height]
            cover(picture[top : top + len(strip)], strip)
            top += len(strip)
    # In the order of the colours: that of the areas would change from frame to frame.
    entries = sorted(entry for key in layers for entry in outputs[key].legend(found[key]))
    strip = np.asarray(with_legend(Image.fromarray(frame), entries))[height:][: height // MOST, :width]
    cover(picture[height - len(strip) :], strip)
    return picture


def cover(rows: Pixels, strip: Pixels) -> None:
    """Lay a strip over the rows of a picture, of which a little stays visible."""
    part = strip[: len(rows)]
    rows[:] = OPAQUE * part + (1 - OPAQUE) * rows
