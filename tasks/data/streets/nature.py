"""Trees and bushes: clouds of leafy discs, lighter where the sun reaches."""

import numpy as np

from tasks.data.streets.canvas import VEGETATION, Canvas
from tasks.data.streets.colours import Colour, darker, jitter, jitter_all, pick
from tasks.data.streets.scene import Light, Thing

LEAVES = ((70, 104, 48), (92, 116, 52), (56, 86, 52), (118, 122, 52), (150, 112, 46), (134, 80, 44), (84, 108, 74))
BARKS = ((92, 74, 58), (110, 104, 96), (70, 58, 48))
WHITE = (226, 232, 240)


def tree(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A trunk under a round crown, or a fir; both are vegetation, as in Cityscapes."""
    x, z, height, half = thing.x, thing.z, thing.height, thing.width / 2
    leaf, bark = jitter(rng, pick(rng, LEAVES), 10), jitter(rng, pick(rng, BARKS), 8)
    trunk, lean = max(0.05 * height, 0.18), rng.normal(0, 0.1)
    top = [(x + lean + trunk * 0.35, height * 0.7, z), (x + lean - trunk * 0.35, height * 0.7, z)]
    canvas.fill([(x - trunk * 0.6, 0, z), (x + trunk * 0.6, 0, z), *top], bark)
    canvas.fill([(x + trunk * 0.1, 0, z), (x + trunk * 0.6, 0, z), top[0]], darker(bark, 0.75))
    if rng.random() < (0.5 if light.snow else 0.2):
        _fir(canvas, rng, thing, (leaf[0] * 0.55, leaf[1] * 0.75, leaf[2] * 0.8), light)
    else:
        spread = rng.normal(0, 0.42, (26, 2)).clip(-0.9, 0.9)
        centres = spread * (half * 0.72, height * 0.27) + (x + lean, height * 0.68)
        _leaves(canvas, rng, centres, half * rng.uniform(0.28, 0.48, 26), z, leaf, light)
    canvas.commit(VEGETATION, 1 / z)


def bush(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A low cloud of leaves."""
    leaf = darker(jitter(rng, pick(rng, LEAVES[:4]), 10), 0.9)
    count = 12
    radii = thing.height * rng.uniform(0.2, 0.35, count)
    across = thing.x + rng.uniform(-0.5, 0.5, count) * thing.width
    up = radii * 0.9 + rng.uniform(0, 0.45, count) * thing.height
    _leaves(canvas, rng, np.stack([across, up], axis=1), radii, thing.z, leaf, light)
    canvas.commit(VEGETATION, 1 / thing.z)


def _leaves(
    canvas: Canvas,
    rng: np.random.Generator,
    centres: np.ndarray,
    radii: np.ndarray,
    z: float,
    leaf: Colour,
    light: Light,
) -> None:
    """Dark discs for the mass of the crown, small light dabs on their sunny upper sides."""
    count = len(centres)
    canvas.discs(_standing(centres, z), radii, jitter_all(rng, np.tile(leaf, (count, 1)) * 0.72, 6))
    dabs = 3 * count
    owner = rng.integers(count, size=dabs)
    angle, reach = rng.uniform(0, 2 * np.pi, dabs), np.sqrt(rng.random(dabs)) * 0.85
    offsets = np.stack([np.cos(angle), np.sin(angle)], axis=1) * reach[:, None]
    low, high = centres[:, 1].min(), centres[:, 1].max() + 1e-6
    places = centres[owner] + offsets * radii[owner, None]
    lift = (places[:, 1] - low) / (high - low) + 0.8 * offsets[:, 1] - 0.25 * np.sign(light.sun[0]) * offsets[:, 0]
    colours = np.array(leaf) * (0.8 + 0.24 * lift[:, None])
    if light.snow:
        colours[lift > 0.75] = WHITE
    canvas.discs(_standing(places, z), radii[owner] * rng.uniform(0.16, 0.34, dabs), jitter_all(rng, colours, 7))


def _fir(canvas: Canvas, rng: np.random.Generator, thing: Thing, leaf: Colour, light: Light) -> None:
    tiers = 6
    for tier in range(tiers):
        bottom = thing.height * (0.14 + 0.13 * tier)
        top, half = bottom + thing.height * 0.24, thing.width / 2 * (1 - tier / (tiers + 0.6)) * 0.8
        edge = rng.uniform(-0.12, 0.12, 7)
        hem = [
            (thing.x + half * side, bottom + thing.height * 0.1 * e, thing.z)
            for side, e in zip(_ACROSS, edge, strict=True)
        ]
        canvas.fill([*hem, (thing.x, top, thing.z)], jitter(rng, darker(leaf, 0.8 + 0.05 * tier), 5))
        if light.snow:
            canvas.fill([hem[4], hem[6], (thing.x, top, thing.z)], jitter(rng, WHITE, 6))


_ACROSS = np.linspace(-1, 1, 7).tolist()


def _standing(centres: np.ndarray, z: float) -> np.ndarray:
    return np.concatenate([centres, np.full((len(centres), 1), z)], axis=1)
