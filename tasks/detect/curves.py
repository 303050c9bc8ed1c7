"""Precision-recall curves: what part of the boxes found is right, the more of the true ones are to be found."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.detect.draw import Colour, colour_of

Numbers = NDArray[np.floating]
TIMES = 2  # drawn larger and scaled down, for smooth lines; what follows is in pixels of the drawing
SIDE, MARGIN, LINE, POINTS = TIMES * 380, TIMES * 56, TIMES * 22, TIMES * 15
LEFTS = (MARGIN, 2 * MARGIN + SIDE)  # of the two charts
LEGEND = LEFTS[1] + SIDE + MARGIN // 2
INK, PALE, GRID = (30, 30, 30), (205, 205, 205), (232, 232, 232)
NAMED, WORST = 20, 10  # of more classes than these, only the worst are named


class Curve(NamedTuple):
    """A class, or the mean of all."""

    name: str
    colour: Colour
    width: int
    precisions: tuple[Numbers, Numbers]  # (101) in each chart
    ap50: float


def precision_recall(
    precision: Numbers, precision75: Numbers, names: Sequence[str], ap50: Sequence[float | None]
) -> Image.Image:
    """A chart for each of the two overlaps, and a legend with the average precisions, the best class first.

    Of more than 20 classes the mean and the ten worst have names and colours, the others are grey. Classes without
    truth are left out, and listed below.

    Args:
        precision, precision75: (101, K) at recalls 0 to 1, where a box is right from an IoU of 0.5 or 0.75;
            -1 or NaN for classes without truth.
        names, ap50: (K).
    """
    known = np.array([column.min() >= 0 for column in precision.T])
    curves = [
        Curve(names[k], colour_of(k), 2 * TIMES, (precision[:, k], precision75[:, k]), float(ap50[k] or 0))
        for k in np.flatnonzero(known).tolist()
    ]
    curves.sort(key=lambda curve: -curve.ap50)
    grey: list[Curve] = []
    if len(curves) > NAMED:
        mean = (precision[:, known].mean(1), precision75[:, known].mean(1))
        grey = [curve._replace(colour=PALE, width=TIMES) for curve in curves[:-WORST]]
        average = Curve(
            f"mean of {len(curves)}", INK, 4 * TIMES, mean, sum(curve.ap50 for curve in curves) / len(curves)
        )
        curves = [average, *curves[-WORST:]]
    absent = [name for name, is_known in zip(names, known, strict=True) if not is_known]
    return picture(grey, curves, absent)


def picture(grey: Sequence[Curve], named: Sequence[Curve], absent: Sequence[str]) -> Image.Image:
    """Charts and legend on white; `absent` are the classes without truth."""
    font = ImageFont.load_default(POINTS)
    column = LINE + round(max((font.getlength(curve.name) for curve in named), default=0)) + MARGIN
    width = LEGEND + column + 2 * MARGIN
    height = max(MARGIN + SIDE + MARGIN, MARGIN // 2 + LINE * (len(named) + 2)) + (LINE if absent else 0)
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    for number, (left, overlap) in enumerate(zip(LEFTS, (0.5, 0.75), strict=True)):
        axes(pen, left, f"precision at IoU {overlap}", font)
        for curve in (*grey, *reversed(named)):  # the first named on top
            pen.line(points(curve.precisions[number], left), curve.colour, curve.width, "curve")
    legend(pen, grey, named, column, font)
    if absent:
        text = shortened(absent, width - 2 * MARGIN, font)
        pen.text((MARGIN, height - LINE), text, INK, font, anchor="lm")
    return canvas.resize((width // TIMES, height // TIMES), Image.Resampling.LANCZOS)


def axes(pen: ImageDraw.ImageDraw, left: int, title: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> None:
    """A grid from 0 to 1 with its numbers and names."""
    top, bottom, right = MARGIN, MARGIN + SIDE, left + SIDE
    for tenth in range(0, 11, 2):
        x, y = left + SIDE * tenth // 10, bottom - SIDE * tenth // 10
        pen.line((x, top, x, bottom), GRID, TIMES)
        pen.line((left, y, right, y), GRID, TIMES)
        pen.text((x, bottom + LINE // 2), f"{tenth / 10:.1f}", INK, font, anchor="mm")
        pen.text((left - LINE // 3, y), f"{tenth / 10:.1f}", INK, font, anchor="rm")
    pen.line((left, top, left, bottom, right, bottom), INK, TIMES)
    pen.text((left, top - LINE // 2), title, INK, font, anchor="lm")
    pen.text((right, bottom + 3 * LINE // 2), "recall", INK, font, anchor="rm")


def points(precision: Numbers, left: int) -> list[tuple[float, float]]:
    """The corners of a curve (101), which falls to the ground at the highest recall that was reached."""
    reached = np.flatnonzero(precision > 0)
    heights = precision[: reached[-1] + 1].tolist() if len(reached) else [0.0]
    places = [(left + SIDE * k / 100, MARGIN + SIDE * (1 - height)) for k, height in enumerate(heights)]
    return places if len(heights) == len(precision) else [*places, (places[-1][0], MARGIN + SIDE)]


def legend(
    pen: ImageDraw.ImageDraw,
    grey: Sequence[Curve],
    named: Sequence[Curve],
    column: int,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """A line for each named curve: its colour, name and average precisions."""
    ends, y = (LEGEND + column, LEGEND + column + MARGIN * 5 // 4), MARGIN // 2
    for end, title in zip(ends, ("AP50", "AP75"), strict=True):
        pen.text((end, y), title, INK, font, anchor="rm")
    for curve in named:
        y += LINE
        pen.line((LEGEND, y, LEGEND + 2 * LINE // 3, y), curve.colour, max(curve.width, 3 * TIMES))
        pen.text((LEGEND + LINE, y), curve.name, INK, font, anchor="lm")
        for end, value in zip(ends, (curve.ap50, curve.precisions[1].mean()), strict=True):
            pen.text((end, y), f"{value:.3f}", INK, font, anchor="rm")
    if grey:
        pen.line((LEGEND, y + LINE, LEGEND + 2 * LINE // 3, y + LINE), PALE, TIMES)
        pen.text((LEGEND + LINE, y + LINE), f"the {len(grey)} better ones", INK, font, anchor="lm")


def shortened(absent: Sequence[str], width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The names in a line of a width, with the number of those that have no room."""
    shown = len(absent)
    while True:
        more = f" and {len(absent) - shown} more" if shown < len(absent) else ""
        text = f"without truth: {', '.join(absent[:shown])}{more}"
        if shown == 1 or font.getlength(text) <= width:
            return text
        shown -= 1
