"""Cars and buses: a side profile drawn out to the vehicle's width, seen in perspective."""

from collections.abc import Callable
from itertools import pairwise
from math import cos, pi, radians, sin

import numpy as np

from tasks.data.streets.canvas import BUS, CAR, Canvas
from tasks.data.streets.colours import Colour, darker, jitter, pick
from tasks.data.streets.scene import Light, Thing

Frame = Callable[[float, float, float], tuple[float, float, float]]
Profile = tuple[tuple[float, float], ...]

PAINTS = (
    (60, 62, 68), (168, 170, 174), (222, 222, 220), (150, 36, 34), (38, 66, 120), (44, 84, 62), (190, 160, 90),
    (110, 116, 124), (200, 110, 40), (96, 60, 52), (120, 160, 180),
)  # fmt: skip
BUS_PAINTS = ((196, 60, 44), (222, 176, 40), (52, 106, 160), (226, 222, 210), (60, 136, 92))
GLASS, TYRE = (44, 54, 64), (26, 26, 28)
# Half a length back … half a length forward, share of the height; `2` and `3` begin the rear window and the roof.
HATCHBACK: Profile = ((-1, 0.2), (-1, 0.58), (-0.92, 0.62), (-0.72, 1), (0.12, 1), (0.5, 0.63), (0.95, 0.54), (1, 0.2))
SALOON: Profile = ((-1, 0.2), (-0.99, 0.6), (-0.62, 0.64), (-0.34, 1), (0.16, 1), (0.5, 0.64), (0.96, 0.54), (1, 0.2))
VAN: Profile = ((-1, 0.18), (-1, 0.5), (-0.99, 0.54), (-0.94, 1), (0.45, 1), (0.72, 0.56), (0.97, 0.46), (1, 0.18))


def frame(thing: Thing) -> Frame:
    """Maps (across, along, up) metres from the thing's own middle into the world."""
    cosine, sine = cos(radians(thing.turn)), sin(radians(thing.turn))

    def place(across: float, along: float, up: float) -> tuple[float, float, float]:
        return thing.x + across * cosine + along * sine, up, thing.z - across * sine + along * cosine

    return place


def car(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A hatchback, saloon or van."""
    shape = VAN if thing.height > 1.7 else pick(rng, (HATCHBACK, SALOON))
    half, tall = thing.length / 2, thing.height
    profile = tuple((along * half, up * tall) for along, up in shape)
    place, paint = frame(thing), jitter(rng, pick(rng, PAINTS), 12)
    belt = profile[2][1]

    def across(up: float) -> float:
        return thing.width / 2 * (1 - 0.2 * max(up - belt, 0) / (tall - belt))

    _underbody(canvas, place, thing, half)
    for side in (-1, 1):
        _flank(canvas, place, profile, side, across, darker(paint, 0.85))
        cabin = [profile[2], profile[3], profile[4], profile[5]]
        middle = (sum(p[0] for p in cabin) / 4, sum(p[1] for p in cabin) / 4)
        panes = tuple((m + 0.82 * (p - m), n + 0.76 * (q - n)) for (p, q), (m, n) in ((c, middle) for c in cabin))
        _flank(canvas, place, panes, side, across, jitter(rng, GLASS, 6))
        post = 0.05 * half
        pillar = ((-post, panes[0][1]), (-post, panes[1][1]), (post, panes[1][1]), (post, panes[0][1]))
        _flank(canvas, place, pillar, side, across, darker(paint, 0.7))
        _wheels(canvas, place, side * thing.width / 2, (-0.62 * half, 0.64 * half), 0.21 * tall + 0.02)
    for index, ((start, low), (stop, high)) in enumerate(pairwise(profile)):
        tone = {0: 0.95, 3: 1.08}.get(index, 1.0)
        colour = darker(paint, tone) if not light.snow or index not in (3,) else (228, 234, 240)
        quad = _strip(place, (start, low), (stop, high), across)
        canvas.fill(quad, colour, facing=True)
        if index in (2, 4):  # rear window, windscreen
            canvas.fill(_shrunk(quad, 0.84), jitter(rng, (70, 84, 98), 8), facing=True)
    _ends(canvas, rng, place, thing, half, light, belt)
    canvas.commit(CAR, 1 / thing.z)


def bus(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A city bus: a long box with a band of windows."""
    half, tall, wide = thing.length / 2, thing.height, thing.width / 2
    place, paint = frame(thing), jitter(rng, pick(rng, BUS_PAINTS), 10)
    trim = jitter(rng, pick(rng, ((232, 230, 224), (60, 64, 70), darker(paint, 0.6))), 8)
    inside = 70.0 if light.windows > 0.2 else 0.0
    glass = (186, 172, 130) if inside else jitter(rng, (52, 64, 76), 6)
    box: Profile = ((-half, 0.3), (-half, tall), (half, tall), (half, 0.3))

    def across(_: float) -> float:
        return wide

    _underbody(canvas, place, thing, half)
    for side in (-1, 1):
        _flank(canvas, place, box, side, across, darker(paint, 0.88))
        _flank(canvas, place, _rectangle(-half, half, 0.3, 0.75), side, across, trim)
        count = 7
        for bay in range(count):
            left = -half + 0.25 + bay * (2 * half - 0.4) / count
            window = _rectangle(left, left + (2 * half - 0.4) / count - 0.16, tall * 0.45, tall * 0.85)
            _flank(canvas, place, window, side, across, glass, inside)
        _wheels(canvas, place, side * wide, (-0.6 * half, 0.62 * half), 0.5)
    for (start, low), (stop, high) in pairwise(box):
        canvas.fill(_strip(place, (start, low), (stop, high), across), paint, facing=True)
    for end in (-1, 1):
        for (low, high, inset), colour, lit in (
            ((0.3, 0.75, 0.0), trim, 0.0),
            ((tall * 0.42, tall * 0.8, 0.14), glass, inside),
            ((tall * 0.86, tall * 0.95, 0.5), (250, 190, 60), 120.0),
        ):
            canvas.fill(
                _end_quad(place, end, half, (-wide + inset, wide - inset), (low, high)), colour, lit, facing=True
            )
    _ends(canvas, rng, place, thing, half, light, 1.35)
    canvas.commit(BUS, 1 / thing.z)


def _ends(
    canvas: Canvas, rng: np.random.Generator, place: Frame, thing: Thing, half: float, light: Light, belt: float
) -> None:
    """Lamps, bumper and number plate on the rear and the front."""
    on = {"day": 30.0, "snow": 120.0}.get(light.kind, 230.0)
    wide = thing.width / 2
    for end, lamp in ((-1, (206, 34, 30)), (1, (255, 246, 214))):
        bumper = _end_quad(place, end, half, (-wide, wide), (0.18 * belt + 0.1, 0.42 * belt))
        canvas.fill(bumper, jitter(rng, (48, 50, 54), 5), facing=True)
        for side in (-1, 1):
            edges = sorted((side * wide * 0.58, side * wide * 0.96))
            quad = _end_quad(place, end, half, (edges[0], edges[1]), (0.6 * belt, 0.88 * belt))
            canvas.fill(quad, lamp, on, facing=True)
        plate = _end_quad(place, end, half, (-0.26, 0.26), (0.46 * belt, 0.6 * belt))
        canvas.fill(plate, (226, 224, 206), facing=True)


def _underbody(canvas: Canvas, place: Frame, thing: Thing, half: float) -> None:
    """Tyres seen from behind and the dark under the floor."""
    wide = thing.width / 2
    for end in (-0.8, 0.8):
        canvas.fill(
            [place(x, end * half, y) for x, y in ((-wide, 0.4), (wide, 0.4), (wide, 0.14), (-wide, 0.14))], TYRE
        )
        for side in (-1, 1):
            inner, outer = side * wide * 0.72, side * wide
            tyre = ((inner, 0.5), (outer, 0.5), (outer, 0), (inner, 0))
            canvas.fill([place(x, end * half, y) for x, y in tyre], TYRE)


def _flank(
    canvas: Canvas,
    place: Frame,
    outline: Profile,
    side: int,
    across: Callable[[float], float],
    colour: Colour,
    lit: float = 0,
) -> None:
    points = [place(side * across(up), along, up) for along, up in outline]
    canvas.fill(points[::side], colour, lit, facing=True)


def _wheels(canvas: Canvas, place: Frame, across: float, middles: tuple[float, float], radius: float) -> None:
    for middle in middles:
        for size, colour in ((1.0, TYRE), (0.58, (140, 142, 146)), (0.2, (60, 60, 62))):
            angles = np.linspace(0, 2 * pi, 14, endpoint=False) * -np.sign(across)
            rim = [place(across, middle + size * radius * cos(a), radius + size * radius * sin(a)) for a in angles]
            canvas.fill(rim, colour, facing=True)


def _strip(
    place: Frame, start: tuple[float, float], stop: tuple[float, float], across: Callable[[float], float]
) -> list[tuple[float, float, float]]:
    """The panel between two profile points, clockwise as seen from outside."""
    (back, low), (front, high) = start, stop
    return [
        place(-across(low), back, low),
        place(-across(high), front, high),
        place(across(high), front, high),
        place(across(low), back, low),
    ]


def _end_quad(
    place: Frame, end: int, half: float, sides: tuple[float, float], ups: tuple[float, float]
) -> list[tuple[float, float, float]]:
    (left, right), (low, high) = sides, ups
    corners = [(left, low), (left, high), (right, high), (right, low)][::-end]
    return [place(x, end * (half + 0.01), y) for x, y in corners]


def _rectangle(left: float, right: float, low: float, high: float) -> Profile:
    return ((left, low), (left, high), (right, high), (right, low))


def _shrunk(quad: list[tuple[float, float, float]], factor: float) -> np.ndarray:
    points = np.array(quad)
    return points.mean(axis=0) + factor * (points - points.mean(axis=0))
