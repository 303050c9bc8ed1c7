"""Photos and label maps small enough for a run's page."""

import io

import numpy as np
from PIL import Image
from torch import Tensor

from tasks.common.labels import Pixels, nearest

SIDE = 640  # pixels of the longer side
THUMBNAIL = 256  # of images with labels for the whole image
QUALITY = 82


def fitted(height: int, width: int, side: int = SIDE) -> tuple[int, int]:
    """(height, width) with the same proportions, no side above `side`."""
    scale = min(1.0, side / max(height, width, 1))
    return max(1, round(height * scale)), max(1, round(width * scale))


def photo(
    image: Tensor, place: tuple[float, float, float, float] | None, size: tuple[int, int], side: int = SIDE
) -> bytes:
    """The photo within a network's input, in its own proportions, as JPEG.

    Args:
        image: (3, H, W) uint8.
        place: x, y, width, height of the photo in it; None for all of it.
        size: (height, width) of the photo's file.
    """
    picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))
    if place is not None:
        x, y, width, height = place
        picture = picture.crop(
            (round(x), round(y), max(round(x) + 1, round(x + width)), max(round(y) + 1, round(y + height)))
        )
    height, width = fitted(*size, side)
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BICUBIC)
    return jpeg(picture)


def jpeg(picture: Image.Image) -> bytes:
    """Compress a picture as JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def label_map(labels: Pixels, side: int = SIDE) -> bytes:
    """A label map (H, W) uint8, shrunk as its photo is, as a grey PNG of the labels themselves."""
    return grey_png(shrunk(labels, side))


def shrunk(labels: Pixels, side: int = SIDE) -> Pixels:
    """A label map (H, W) uint8 in the size of its photo: each pixel one of its labels. A copy."""
    height, width = fitted(labels.shape[0], labels.shape[1], side)
    rows, columns = nearest(labels.shape[0], height), nearest(labels.shape[1], width)
    return np.ascontiguousarray(labels[rows][:, columns])


def grey_png(labels: Pixels) -> bytes:
    """A label map (H, W) uint8 as a grey PNG, as small as it gets: seven times as slow as the usual level."""
    file = io.BytesIO()
    Image.fromarray(labels).save(file, "PNG", optimize=True)
    return file.getvalue()
