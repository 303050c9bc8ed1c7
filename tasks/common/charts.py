"""Networks by what they cost and what they are worth, and those of them that no other beats in both."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw, ImageFont

TIMES = 2  # drawn larger and scaled down, for smooth lines; what follows is in pixels of the drawing
WIDTH, HEIGHT, MARGIN, LINE, POINTS, DOT = TIMES * 640, TIMES * 420, TIMES * 60, TIMES * 20, TIMES * 13, TIMES * 5
INK, GRID, PALE, FRONT = (30, 30, 30), (232, 232, 232), (150, 150, 150), (200, 60, 30)
STEPS = 5  # of an axis at most, where its values do not reach over its ends
ROUNDING = 1e-9  # 0.6 / 0.2 is a little less than 3

Box = tuple[float, float, float, float]
Place = tuple[float, float]
Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


class Style(NamedTuple):
    """How points of a kind are drawn.

    Attributes:
        heading: in the legend; "" for none.
        colour: None for red on the front and pale beside it; with a colour of its own, a point there has a red ring.
        joined: whether the points are joined by a line, from the cheapest on.
        named: which have their names; on the front: those that have room for it.
    """

    heading: str = ""
    colour: Colour | None = None
    joined: bool = False
    named: Literal["all", "on the front", "none"] = "all"


class Point(NamedTuple):
    """A network: its name, what it takes (less is better) and what it gives (more is better)."""

    name: str
    cost: float
    worth: float
    style: Style = Style()


class Axis(NamedTuple):
    """Values from `low` to `high` in steps, on a line from pixel `start` to `end`."""

    low: float
    high: float
    step: float
    start: int
    end: int

    def place(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (self.end - self.start) * (value - self.low) / (self.high - self.low)

    def marks(self) -> list[float]:
        """Values to be written beside it."""
        return [self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)]


def front(points: Sequence[Point]) -> list[int]:
    """Numbers of the points that no other beats, from the cheapest to the most worth (the Pareto front)."""
    chosen: list[int] = []
    for number in sorted(range(len(points)), key=lambda n: (points[n].cost, -points[n].worth)):
        if not chosen or points[number].worth > points[chosen[-1]].worth:
            chosen.append(number)
    return chosen


def picture(points: Sequence[Point], cost: str, worth: str, *, from_zero: bool = True) -> Image.Image:
    """The points with their names, the front's joined by a line.

    Args:
        cost, worth: what the axes are called.
        from_zero: whether costs are shown from 0 on, not from the least.
    """
    font = ImageFont.load_default(POINTS)
    canvas = Image.new("RGB", (WIDTH + 2 * MARGIN, HEIGHT + 2 * MARGIN), "white")
    pen = ImageDraw.Draw(canvas)
    costs, worths = [point.cost for point in points], [point.worth for point in points]
    across = axis(0 if from_zero else min(costs), max(costs), MARGIN, MARGIN + WIDTH)
    down = axis(min(worths), max(worths), MARGIN + HEIGHT, MARGIN)
    draw_axes(pen, across, down, cost, worth, font)
    places = [(across.place(point.cost), down.place(point.worth)) for point in points]
    best = front(points)
    styles = list(dict.fromkeys(point.style for point in points))
    lines = [(FRONT, [places[number] for number in best])]
    for style in styles:
        if style.joined:
            line = sorted(place for place, point in zip(places, points, strict=True) if point.style == style)
            lines.insert(0, (style.colour or PALE, line))
    for colour, line in lines:
        pen.line(line, colour, TIMES)
    order = sorted(range(len(points)), key=lambda n: (points[n].style.colour is not None, n in best))
    for number in order:
        draw_dot(pen, places[number], points[number].style, number in best)
    taken: list[Box] = [(x - DOT, y - DOT, x + DOT, y + DOT) for x, y in places]
    taken += [draw_legend(pen, styles, font), *(box for _, line in lines for box in boxes_along(line))]
    for number in (*best, *(n for n in range(len(points)) if n not in best)):
        name, _, _, style = points[number]
        if style.named == "none" or (style.named == "on the front" and number not in best):
            continue
        boxes = boxes_beside(places[number], font.getlength(name))
        free = [box for box in boxes if not any(overlap(box, other) for other in taken)]
        if free or style.named == "all":
            box = (free or boxes)[0]
            taken.append(box)
            pen.text(box[:2], name, style.colour or (INK if number in best else PALE), font)
    return canvas.resize((canvas.width // TIMES, canvas.height // TIMES), Image.Resampling.LANCZOS)


def draw_dot(pen: ImageDraw.ImageDraw, place: Place, style: Style, best: bool) -> None:
    """A point, which is on the front or not."""
    if best:
        pen.circle(place, DOT + 3 * TIMES // 2, FRONT)
    pen.circle(place, DOT, style.colour or (FRONT if best else PALE))


def draw_legend(pen: ImageDraw.ImageDraw, styles: Sequence[Style], font: Font) -> Box:
    """The headings above the right end, each in its colour; returns where they are."""
    right, y = MARGIN + WIDTH, MARGIN - LINE // 2
    for heading, colour in (("Pareto front", FRONT), *((style.heading, style.colour or PALE) for style in styles)):
        if heading:
            pen.text((right, y), heading, colour, font, anchor="rm")
            right -= round(font.getlength(heading)) + LINE
    return right, y - LINE / 2, MARGIN + WIDTH, y + LINE / 2


def axis(low: float, high: float, start: int, end: int) -> Axis:
    """An axis in round steps (1, 2, 5, 10, …) that has room for these values."""
    span = high - low or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / STEPS))
    step = next(times * power for times in (1, 2, 5, 10) if span / (times * power) < STEPS + ROUNDING)
    first, last = math.floor(low / step + ROUNDING), math.ceil(high / step - ROUNDING)
    return Axis(first * step, max(last, first + 1) * step, step, start, end)


def draw_axes(pen: ImageDraw.ImageDraw, across: Axis, down: Axis, cost: str, worth: str, font: Font) -> None:
    """A grid with its numbers and names."""
    for value in across.marks():
        x = across.place(value)
        pen.line((x, down.start, x, down.end), GRID, TIMES)
        pen.text((x, down.start + LINE // 2), f"{value:.6g}", INK, font, anchor="mm")
    for value in down.marks():
        y = down.place(value)
        pen.line((across.start, y, across.end, y), GRID, TIMES)
        pen.text((across.start - LINE // 3, y), f"{value:.6g}", INK, font, anchor="rm")
    pen.line((across.start, down.end, across.start, down.start, across.end, down.start), INK, TIMES)
    pen.text((across.start, down.end - LINE // 2), worth, INK, font, anchor="lm")
    pen.text((across.end, down.start + 3 * LINE // 2), cost, INK, font, anchor="rm")


def boxes_beside(point: Place, width: float) -> list[Box]:
    """Where a name of this width may stand beside its point: right, left, above or below of it."""
    x, y = point
    gap, half = 2 * DOT, LINE / 2
    lefts_and_tops = [
        (x + gap, y - half),
        (x - gap - width, y - half),
        (x - width / 2, y - gap - LINE),
        (x - width / 2, y + gap),
        (x + gap, y - half - LINE),
        (x + gap, y + half),
    ]
    boxes = [(left, top, left + width, top + LINE) for left, top in lefts_and_tops]
    inside = [box for box in boxes if box[0] > MARGIN and box[2] < WIDTH + 2 * MARGIN and box[3] < MARGIN + HEIGHT]
    return inside or boxes


def boxes_along(line: Sequence[Place]) -> list[Box]:
    """Points of a line, close enough for no name to fit between them."""
    found = []
    for (x, y), (next_x, next_y) in pairwise(line):
        parts = 1 + int(math.hypot(next_x - x, next_y - y) / LINE)
        middle = [(x + (next_x - x) * part / parts, y + (next_y - y) * part / parts) for part in range(parts)]
        found += [(*place, *place) for place in middle]
    return found


def overlap(one: Box, other: Box) -> bool:
    """Whether two boxes, xyxy, have something in common."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
