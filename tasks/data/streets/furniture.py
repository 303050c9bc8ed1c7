"""Poles and what hangs on them: lamps, signs and traffic lights; and bins, which carry no evaluated label."""

import numpy as np

from tasks.data.streets.canvas import POLE, STATIC, TRAFFIC_LIGHT, TRAFFIC_SIGN, Canvas
from tasks.data.streets.colours import Colour, darker, jitter, pick
from tasks.data.streets.scene import Light, Thing

METALS = ((126, 130, 132), (84, 88, 90), (64, 78, 70), (160, 162, 160), (96, 84, 74))
RED, BLUE, WHITE, YELLOW = (188, 32, 36), (28, 76, 156), (236, 234, 228), (236, 190, 40)


def lamp(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A street lamp whose arm reaches over the road."""
    metal, x, z, top = jitter(rng, pick(rng, METALS), 8), thing.x, thing.z, thing.height
    reach = -1.5 if x > 0 else 1.5
    _post(canvas, thing, metal, top)
    canvas.fill([(x, top, z), (x + reach, top + 0.3, z), (x + reach, top + 0.12, z), (x, top - 0.22, z)], metal)
    head = [(x + reach * a, top + b, z) for a, b in ((0.75, 0.36), (1.35, 0.4), (1.35, 0.16), (0.75, 0.1))]
    canvas.fill(head, darker(metal, 0.8))
    glow = [(x + reach * a, top + b, z) for a, b in ((0.8, 0.14), (1.32, 0.18), (1.32, 0.04), (0.8, 0.0))]
    canvas.fill(glow, (255, 226, 160) if light.lamps else (206, 206, 196), 255 if light.lamps else 0)
    canvas.commit(POLE, 1 / z)


def sign(canvas: Canvas, rng: np.random.Generator, thing: Thing, _: Light) -> None:
    """A sign on a post: prohibition, warning, mandatory, priority, stop or a blue square."""
    metal, x, z = jitter(rng, pick(rng, METALS), 8), thing.x, thing.z
    half, y = thing.width / 2, thing.height - thing.width / 2
    _post(canvas, thing, metal, thing.height - half)
    canvas.commit(POLE, 1 / z)
    turns = {"round": (24, 0.0), "warning": (3, 0.5), "yield": (3, -0.5), "priority": (4, 0.5), "square": (4, 0.25)}
    turns["stop"] = (8, 0.125)
    kind = pick(rng, tuple(turns))
    outer, inner = {"priority": (WHITE, YELLOW), "square": (WHITE, BLUE), "stop": (WHITE, RED)}.get(kind, (RED, WHITE))
    if kind == "round" and rng.random() < 0.4:
        outer, inner = (WHITE, BLUE)
    corners, start = turns[kind]
    angles = np.pi * start + np.linspace(0, 2 * np.pi, corners, endpoint=False)
    shape = np.stack([np.cos(angles), np.sin(angles), np.zeros(corners)], axis=1)
    wide = half * (1.25 if corners <= 4 else 1.05)
    canvas.fill(shape * wide + (x, y, z), jitter(rng, outer, 8))
    canvas.fill(shape * wide * (0.62 if corners == 3 else 0.76) + (x, y, z), jitter(rng, inner, 8))
    mark = (40, 40, 44) if inner in (WHITE, YELLOW) else WHITE
    thin, long = half * rng.uniform(0.1, 0.2), half * rng.uniform(0.25, 0.5)
    if kind != "priority":
        canvas.fill(
            [(x - thin, y + long, z), (x + thin, y + long, z), (x + thin, y - long, z), (x - thin, y - long, z)], mark
        )
    if kind == "square" or (kind == "round" and rng.random() < 0.5):
        canvas.fill(
            [(x - long, y + thin, z), (x + long, y + thin, z), (x + long, y - thin, z), (x - long, y - thin, z)], mark
        )
    canvas.commit(TRAFFIC_SIGN, 1 / z)


def traffic_light(canvas: Canvas, rng: np.random.Generator, thing: Thing, _: Light) -> None:
    """A post with a box of three lamps, one of them lit (or two: red and amber)."""
    x, z, half, top = thing.x, thing.z, thing.width / 2, thing.height
    _post(canvas, thing, jitter(rng, pick(rng, METALS), 8), top)
    canvas.commit(POLE, 1 / z)
    case = jitter(rng, pick(rng, ((34, 36, 38), (40, 58, 48), (176, 140, 40))), 6)
    tall = thing.width * 2.6
    box = [(x - half, top, z), (x + half, top, z), (x + half, top - tall, z), (x - half, top - tall, z)]
    canvas.fill(box, case)
    state = pick(rng, ((0,), (2,), (0, 1), (1,), (2,)))
    for index, colour in enumerate(((248, 50, 40), (255, 180, 40), (60, 226, 120))):
        on = index in state
        y = top - tall * (index + 0.5) / 3
        canvas.discs([(x, y, z)], [half * 0.78], [darker(case, 0.5)])
        canvas.discs([(x, y, z)], [half * 0.66], [colour if on else darker(colour, 0.22)], 245 if on else 0)
    canvas.commit(TRAFFIC_LIGHT, 1 / z)


def bin_(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A litter bin or a box of the electricity works: `static`, which nobody is scored on."""
    colour = jitter(rng, pick(rng, ((60, 84, 70), (110, 112, 112), (150, 96, 46))), 10)
    x, z, half, top = thing.x, thing.z, thing.width / 2, thing.height
    canvas.fill([(x - half * 0.85, 0, z), (x + half * 0.85, 0, z), (x + half, top, z), (x - half, top, z)], colour)
    lid = (226, 232, 238) if light.snow else darker(colour, 0.6)
    canvas.fill([(x - half, top * 0.85, z), (x + half, top * 0.85, z), (x + half, top, z), (x - half, top, z)], lid)
    canvas.commit(STATIC, 1 / z)


def _post(canvas: Canvas, thing: Thing, metal: Colour, top: float) -> None:
    half, x, z = 0.19, thing.x, thing.z
    canvas.fill([(x - half, 0, z), (x + half, 0, z), (x + half * 0.8, top, z), (x - half * 0.8, top, z)], metal)
    canvas.fill([(x + half * 0.2, 0, z), (x + half, 0, z), (x + half * 0.8, top, z), (x, top, z)], darker(metal, 0.72))
