"""A legend below a picture: colours and their meanings."""

import math
from bisect import bisect_right
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Entry = tuple[Colour, str]
LONGEST = 1000  # letters of a text: no picture is wide enough for more
WIDEST = 400  # pixels of a name beside a chart
NARROWEST = 160  # pixels: narrower pictures get a white margin


def with_legend(picture: Image.Image, entries: Sequence[Entry], font: Font | None = None) -> Image.Image:
    """Add a legend below a picture; texts that are too long are shortened.

    Args:
        font: None for one that suits the picture's size.
    """
    if not entries:
        return picture
    font = font or ImageFont.load_default(max(11, min(32, round(max(picture.size) / 45))))
    line, width = math.ceil(font.getbbox("Ag")[3] * 1.4), max(picture.width, NARROWEST)
    placed, x, y = [], 4, picture.height + 4
    for colour, text in entries:
        text = shortened(text, font, width - 4 - 2 * line)
        need = line + round(font.getlength(text)) + line
        if x > 4 and x + need > width:
            x, y = 4, y + line
        placed.append((x, y, colour, text))
        x += need
    canvas = Image.new("RGB", (width, y + line), "white")
    canvas.paste(picture)
    pen = ImageDraw.Draw(canvas)
    for x, y, colour, text in placed:
        pen.rectangle((x, y + 2, x + line - 8, y + line - 6), colour, (128, 128, 128))
        pen.text((x + line - 2, y), text, "black", font)
    return canvas


def shortened(text: str, font: Font, width: float) -> str:
    """Cut a text to this width; a cut text ends in an ellipsis."""
    begin = text[:LONGEST]
    if begin == text and font.getlength(text) <= width:
        return text
    fits = bisect_right(range(len(begin) + 1), width, key=lambda count: font.getlength(f"{begin[:count]}…"))
    return f"{begin[: max(0, fits - 1)]}…"
