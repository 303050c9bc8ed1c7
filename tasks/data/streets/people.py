"""People, and riders on bicycles, of limbs and discs."""

from collections.abc import Sequence

import numpy as np

from tasks.data.streets.canvas import BICYCLE, PERSON, RIDER, Canvas
from tasks.data.streets.colours import Colour, darker, jitter, pick
from tasks.data.streets.scene import Light, Thing
from tasks.data.streets.vehicles import frame

CLOTHES = (
    (42, 48, 70), (150, 40, 44), (210, 206, 198), (60, 90, 60), (196, 150, 60), (34, 34, 38), (90, 110, 150),
    (130, 90, 120), (176, 96, 50), (120, 120, 116),
)  # fmt: skip
SKINS = ((232, 190, 160), (196, 146, 112), (140, 96, 70), (92, 62, 46))
HAIRS = ((40, 30, 26), (90, 62, 40), (170, 140, 90), (120, 120, 120))
Point = tuple[float, float]  # metres ahead and up, for someone 1.75 m tall


class _Figure:
    """Draws in the standing plane along a thing's way ahead, in the proportions of a grown-up."""

    def __init__(self, canvas: Canvas, thing: Thing, unit: float) -> None:
        self.canvas, self.place, self.unit = canvas, frame(thing), unit

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        self.canvas.fill([self.place(0, x * self.unit, y * self.unit) for x, y in points], colour)

    def limb(self, start: Point, stop: Point, thickness: float, colour: Colour) -> None:
        (x, y), (end_x, end_y) = start, stop
        reach = max(np.hypot(end_x - x, end_y - y), 1e-6)
        dx, dy = (y - end_y) / reach * thickness / 2, (end_x - x) / reach * thickness / 2
        self.shape([(x + dx, y + dy), (end_x + dx, end_y + dy), (end_x - dx, end_y - dy), (x - dx, y - dy)], colour)

    def disc(self, centre: Point, radius: float, colour: Colour) -> None:
        middle = [self.place(0, centre[0] * self.unit, centre[1] * self.unit)]
        self.canvas.discs(middle, [radius * self.unit], [colour])


def person(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """Someone who walks or stands, perhaps in a long coat, with a bag or under an umbrella."""
    figure = _Figure(canvas, thing, thing.height / 1.75)
    top, bottom = (jitter(rng, pick(rng, CLOTHES), 12) for _ in range(2))
    skin, hair = jitter(rng, pick(rng, SKINS), 8), jitter(rng, pick(rng, HAIRS), 8)
    stride, swing = rng.uniform(0.08, 0.3), rng.uniform(-0.15, 0.3)
    for side in (-1, 1):
        leg = darker(bottom, 0.8 if side < 0 else 1.0)
        figure.limb((side * 0.09, 0.95), (side * stride * 0.7, 0.5), 0.2, leg)
        figure.limb((side * stride * 0.7, 0.52), (side * stride, 0.04), 0.16, leg)
        figure.limb((side * stride - 0.08, 0.04), (side * stride + 0.14, 0.04), 0.1, (30, 28, 28))
    hem = pick(rng, (0.82, 0.86, 0.6, 0.45))
    figure.limb((-0.24, 1.4), (-0.28 - swing * 0.4, 0.85), 0.12, darker(top, 0.8))
    figure.shape([(-0.2, hem), (-0.25, 1.36), (-0.14, 1.48), (0.14, 1.48), (0.25, 1.36), (0.2, hem)], top)
    figure.shape([(0.05, hem), (0.08, 1.48), (0.14, 1.48), (0.25, 1.36), (0.2, hem)], darker(top, 0.86))
    figure.limb((0.25, 1.4), (0.28 + swing, 0.88), 0.12, darker(top, 0.92))
    figure.disc((0.28 + swing, 0.86), 0.06, skin)
    figure.limb((0, 1.44), (0, 1.58), 0.12, darker(skin, 0.85))
    figure.disc((0, 1.65), 0.14, hair)
    figure.disc((0.03, 1.61), 0.115, skin)
    if rng.random() < 0.35:
        bag = darker(jitter(rng, pick(rng, CLOTHES), 10), 0.9)
        x = 0.3 + swing
        figure.shape([(x - 0.14, 0.5), (x - 0.14, 0.84), (x + 0.14, 0.84), (x + 0.14, 0.5)], bag)
    if light.kind == "rain" and rng.random() < 0.6:
        cloth = jitter(rng, pick(rng, CLOTHES), 12)
        figure.limb((0.25, 1.2), (0.25, 2.0), 0.05, (40, 40, 44))
        rim = [(0.15 + 0.62 * np.cos(a), 1.85 + 0.34 * np.sin(a)) for a in np.linspace(0, np.pi, 9)]
        figure.shape(rim, cloth)
        figure.shape([rim[0], rim[3], (0.15, 1.85)], darker(cloth, 0.85))
    canvas.commit(PERSON, 1 / thing.z)


def cyclist(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A rider on a bicycle; two objects, the rider in front."""
    bicycle(canvas, rng, thing, light)
    figure = _Figure(canvas, thing, thing.height / 1.75)
    top, bottom = (jitter(rng, pick(rng, CLOTHES), 12) for _ in range(2))
    skin, helmet = jitter(rng, pick(rng, SKINS), 8), jitter(rng, pick(rng, CLOTHES), 20)
    hip, shoulder = (-0.2, 0.98), (0.12, 1.5)
    for pedal, knee, tone in (((0.06, 0.42), (0.2, 0.78), 0.75), ((0.02, 0.2), (0.24, 0.62), 1.0)):
        figure.limb(hip, knee, 0.2, darker(bottom, tone))
        figure.limb(knee, pedal, 0.15, darker(bottom, tone))
        figure.limb((pedal[0] - 0.08, pedal[1]), (pedal[0] + 0.14, pedal[1]), 0.09, (30, 28, 28))
    figure.limb(hip, shoulder, 0.42, top)
    figure.limb((shoulder[0], shoulder[1] - 0.05), (0.36, 1.2), 0.13, darker(top, 0.8))
    figure.limb((0.34, 1.22), (0.5, 1.08), 0.1, skin)
    figure.limb(shoulder, (0.2, 1.66), 0.12, darker(skin, 0.85))
    figure.disc((0.22, 1.7), 0.13, skin)
    figure.shape([(0.04, 1.7), (0.08, 1.84), (0.22, 1.9), (0.36, 1.84), (0.4, 1.73)], helmet)
    if rng.random() < 0.4:
        pack = darker(jitter(rng, pick(rng, CLOTHES), 10), 0.8)
        figure.shape([(-0.36, 1.1), (-0.16, 1.58), (0.02, 1.5), (-0.18, 1.04)], pack)
    canvas.commit(RIDER, 1 / thing.z)


def bicycle(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A bicycle from the side; its wheels are spoked discs, labelled whole."""
    figure = _Figure(canvas, thing, thing.height / 1.75)
    paint, tyre = jitter(rng, pick(rng, CLOTHES), 18), (30, 30, 32)
    rim = (206, 210, 216) if light.snow else jitter(rng, (112, 112, 110), 10)
    for hub in (-0.52, 0.52):
        turns = np.linspace(0, 2 * np.pi, 16, endpoint=False)
        for radius, colour in ((0.36, tyre), (0.28, rim)):
            figure.shape([(hub + radius * np.cos(a), 0.36 + radius * np.sin(a)) for a in turns], colour)
        for a in turns[:8:2]:
            dx, dy = 0.28 * np.cos(a), 0.28 * np.sin(a)
            figure.limb((hub - dx, 0.36 - dy), (hub + dx, 0.36 + dy), 0.02, (60, 60, 60))
    crank, saddle, bar = (0.0, 0.33), (-0.2, 0.9), (0.4, 1.0)
    for start, stop in (
        ((-0.52, 0.36), crank),
        (crank, saddle),
        (crank, bar),
        ((-0.17, 0.78), bar),
        (bar, (0.52, 0.36)),
    ):
        figure.limb(start, stop, 0.07, paint)
    figure.limb((-0.52, 0.36), (-0.17, 0.78), 0.05, paint)
    figure.limb((-0.34, 0.92), (-0.06, 0.92), 0.09, tyre)
    figure.limb((0.34, 1.06), (0.54, 1.06), 0.07, tyre)
    canvas.commit(BICYCLE, 1 / thing.z)
