"""Pictures of segmentation: the image beside truth, prediction and errors, in the data set's colours."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tasks.common.labels import Pixels

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colours = Sequence[tuple[int, ...]]
WRONG, VOID = (255, 48, 48), 255
GAP = 4
STRIP = 64  # rows


def colourise(labels: Pixels, colours: Colours) -> Pixels:
    """(H, W) class numbers to (H, W, 3) colours; void is black."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colours)] = np.array(colours, np.uint8)
    return table[labels]


def overlay(image: Pixels, labels: Pixels, colours: Colours, opacity: float = 0.55) -> Pixels:
    """The classes' colours laid over the image (H, W, 3)."""
    laid = np.empty_like(image)
    for first in range(0, len(image), STRIP):  # floats for all rows at once would take 16 times the image's memory
        rows = slice(first, first + STRIP)
        laid[rows] = opacity * colourise(labels[rows], colours) + (1 - opacity) * image[rows]
    return laid


def resized(image: Pixels, size: tuple[int, ...]) -> Pixels:
    """Resize an image (H, W, 3) to (height, width)."""
    if image.shape[:2] == size:
        return image
    return np.asarray(Image.fromarray(image).resize((size[1], size[0]), Image.Resampling.BICUBIC))


def errors(image: Pixels, labels: Pixels, truth: Pixels) -> Pixels:
    """Prediction errors: wrong pixels red, the rest a dark grey copy of the image (H, W, 3), void black."""
    grey = (image.mean(2, keepdims=True) * 0.4).astype(np.uint8)
    picture = np.repeat(grey, 3, axis=2)
    picture[labels != truth] = WRONG
    picture[truth == VOID] = 0
    return picture


def draw(
    image: Pixels, labels: Pixels, truth: Pixels | None, class_names: Sequence[str], colours: Colours
) -> Image.Image:
    """Image and prediction, plus truth and errors if there is a truth, and a legend of the visible classes."""
    panels = [("image", image), ("prediction", colourise(labels, colours))]
    if truth is not None:
        right, known = (labels == truth).sum(), max(1, int((truth != VOID).sum()))
        panels.insert(1, ("truth", colourise(truth, colours)))
        panels.append((f"errors: {1 - right / known:.1%} of pixels", errors(image, labels, truth)))
    points = max(12, min(24, image.shape[0] // 20))
    font, line = ImageFont.load_default(points), round(points * 1.5)
    height, width = image.shape[:2]
    seen = [c for c in range(len(class_names)) if (labels == c).any() or (truth is not None and (truth == c).any())]
    columns, rows = 2, (len(panels) + 1) // 2
    total = columns * width + GAP
    legend = place_legend([class_names[c] for c in seen], font, line, total)
    canvas = Image.new("RGB", (total, rows * (height + line + GAP) + (legend[-1][1] + line if legend else 0)), "white")
    pen = ImageDraw.Draw(canvas)
    for number, (title, panel) in enumerate(panels):
        x, y = number % columns * (width + GAP), number // columns * (height + line + GAP)
        pen.text((x + 4, y), title, "black", font)
        canvas.paste(Image.fromarray(panel), (x, y + line))
    top = rows * (height + line + GAP)
    for c, (x, y) in zip(seen, legend, strict=True):
        pen.rectangle((x, top + y + 2, x + line - 6, top + y + line - 6), fill=tuple(colours[c]))
        pen.text((x + line, top + y), class_names[c], "black", font)
    return canvas


def place_legend(names: Sequence[str], font: Font, line: int, width: int) -> list[tuple[int, int]]:
    """Position of each name's swatch, left to right and line by line."""
    places, x, y = [], 4, 0
    for name in names:
        need = line + round(font.getlength(name)) + line
        if x + need > width and x > 4:
            x, y = 4, y + line
        places.append((x, y))
        x += need
    return places
