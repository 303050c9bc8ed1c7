"""Small pictures of scored images, with lines of text, for sheets."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tasks.common.labels import Pixels
from tasks.common.legend import shortened

RIGHT, WRONG = (30, 120, 50), (180, 30, 30)
TILE, LINE, GAP = 128, 17, 6
COLUMNS = 8


def tile(image: Tensor) -> Pixels:
    """Thumbnail of an image (3, H, W) uint8, small enough for the sheet."""
    picture = Image.fromarray(np.ascontiguousarray(image.permute(1, 2, 0).cpu().numpy()))
    picture.thumbnail((TILE, TILE))
    return np.asarray(picture)


def enlarged(pixels: Pixels) -> Image.Image:
    """Scale small images by a whole factor, so that their pixels stay square."""
    times = max(1, TILE // max(pixels.shape[:2]))
    picture = Image.fromarray(pixels)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def draw_text(pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, colour: Any) -> None:
    """Write a line of text, shortened to the width of a tile."""
    font = ImageFont.load_default(LINE - 5)
    pen.text(place, shortened(text, font, TILE), colour, font)
