"""Sky and ground: what is there before any thing stands on it, and the shadows the things will cast."""

from collections.abc import Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.data.streets import buildings, furniture, nature, vehicles
from tasks.data.streets.canvas import EGO_VEHICLE, ROAD, SIDEWALK, SKY, TERRAIN, Canvas, Label
from tasks.data.streets.colours import darker, jitter, pick
from tasks.data.streets.scene import Scene, Thing

# top of the sky, its foot, its clouds
SKIES = {
    "day": ((84, 136, 204), (198, 218, 234), (246, 246, 246)),
    "dusk": ((92, 100, 196), (255, 196, 120), (236, 132, 136)),
    "night": ((10, 14, 32), (46, 46, 66), (34, 36, 50)),
    "fog": ((198, 202, 206), (206, 209, 212), (202, 206, 208)),
    "rain": ((124, 130, 138), (176, 180, 184), (100, 106, 114)),
    "snow": ((190, 196, 206), (222, 226, 232), (206, 210, 218)),
}
SNOW = (234, 238, 246)
COVER = {ROAD: 0.42, SIDEWALK: 0.72, TERRAIN: 0.86}  # how much of the ground lies under snow
PAVEMENTS = ((156, 150, 142), (134, 132, 134), (170, 152, 134), (148, 128, 116))
GRASS = ((92, 112, 54), (112, 118, 62), (78, 100, 56), (128, 116, 78))


def sky(canvas: Canvas, rng: np.random.Generator, scene: Scene) -> None:
    """A gradient with clouds, over the whole canvas."""
    rows, columns = int(scene.camera.horizon) + 8, scene.camera.width
    top, foot, cloud = (np.array(jitter(rng, colour, 6), np.float32) for colour in SKIES[scene.light.kind])
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 1.3
    bank = np.clip(_cloudy(rng, rows, columns) + np.float32(rng.uniform(-0.5, 0.3)), 0, 1)[..., None] * (
        1 - 0.5 * depth
    )
    image = top + (foot - top) * depth
    image = np.clip(image + (cloud - image) * bank, 0, 255).astype(np.uint8)
    canvas.pixels[: 2 * rows, :, :3] = cv2.resize(image, (2 * columns, 2 * rows), interpolation=cv2.INTER_LINEAR)
    if scene.light.kind == "night":
        canvas.pixels[: 2 * rows, :, 3] = 200  # the night sky keeps its own glow
        for x, y in rng.uniform(0, (2 * columns, rows), (40, 2)).astype(int):
            canvas.pixels[y : y + 2, x : x + 2] = (200, 204, 214, 220)
    canvas.mark(np.ones(canvas.pixels.shape[:2], bool), 0)
    canvas.commit(SKY, 0.0)


def ground(canvas: Canvas, rng: np.random.Generator, scene: Scene, things: list[Thing]) -> None:
    """Road, pavements and grass, textured in metres, with the shadows of the things to come."""
    rows, columns = canvas.pixels.shape[:2]
    first = int(2 * scene.camera.horizon) + 3
    x, z = scene.camera.ground((np.arange(columns) + 0.5) / 2, (np.arange(first, rows) + 0.5) / 2)
    bands = scene.bands
    which = _between(x, [band.left for band in bands[1:]])

    def by_label(values: Mapping[Label, float]) -> NDArray[np.float32]:
        return np.take(np.array([values[band.label] for band in bands], np.float32), which)

    tile = cv2.GaussianBlur(rng.standard_normal((256, 256)).astype(np.float32), (0, 0), 2.0)
    patch = cv2.remap(
        tile / tile.std(), x * 9, np.broadcast_to(z * 5, x.shape), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    where = {label: np.take([band.label is label for band in bands], which) for label in (TERRAIN, SIDEWALK, ROAD)}
    shade = _shadows(scene, things, rows, columns)[first:]
    tone = (1 + by_label({ROAD: 0.05, SIDEWALK: 0.05, TERRAIN: 0.16}) * patch) * shade
    _edges(tone, scene, x, z, where[SIDEWALK])
    colours = {
        ROAD: jitter(rng, (98, 98, 102), 12),
        SIDEWALK: jitter(rng, pick(rng, PAVEMENTS), 10),
        TERRAIN: jitter(rng, pick(rng, GRASS), 8),
    }
    palette = [*(colours[band.label] for band in bands), darker((232, 230, 222), rng.uniform(0.75, 0.95))]
    cover = by_label(COVER) + np.float32(0.22) * patch if scene.light.snow else None
    near = int(np.argmax(z < 50))
    which[near:][_marks(rng, scene, x[near:], z[near:])] = len(bands)
    image = np.take(np.array(palette, np.float32), which, axis=0) * tone[..., None]
    if cover is not None:
        lane = np.abs(np.abs(np.abs(x - scene.middle) - 1.7) - 0.75) < 0.28
        cover[lane & where[ROAD]] -= 0.34  # where wheels have run
        image += (np.array(SNOW, np.float32) - image) * (np.clip(cover, 0, 0.96) * shade)[..., None]
    canvas.pixels[first:, :, :3] = np.minimum(image, 255)
    canvas.pixels[first:, :, 3] = 0
    nearness = np.zeros((rows // 2, columns // 2), np.float32)
    nearness[(first + 1) // 2 :] = (1 / z)[(first % 2) :: 2]
    for label, mask in where.items():
        canvas.mark(mask, first)
        canvas.commit(label, nearness)


def hood(canvas: Canvas, rng: np.random.Generator) -> None:
    """The camera car's own bonnet at the bottom edge."""
    camera, paint = canvas.camera, jitter(rng, pick(rng, ((40, 42, 48), (120, 124, 130), (110, 30, 30))), 8)
    middle, top = camera.width * rng.uniform(0.45, 0.55), camera.height * rng.uniform(0.9, 0.96)
    across = np.linspace(-1, 1, 21)
    for step, tone in enumerate((0.7, 1.0, 1.15, 1.0)):
        rim = top + (camera.height - top) * (0.8 * np.abs(across) ** 3 + 0.2 * step)
        arc = np.stack([middle + across * camera.width * 0.52, rim], axis=1)
        corners = [(middle + camera.width, camera.height + 9), (middle - camera.width, camera.height + 9)]
        canvas.flat(np.concatenate([arc, corners]), darker(paint, tone))
    canvas.commit(EGO_VEHICLE, 1.0)


def _cloudy(rng: np.random.Generator, rows: int, columns: int) -> NDArray[np.float32]:
    """Smooth noise of two sizes, wider than high, around 0."""
    noise = np.zeros((rows, columns), np.float32)
    for size, weight in (((4, 5), 0.7), ((14, 20), 0.35)):
        grid = rng.standard_normal(size).astype(np.float32)
        noise += weight * cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return noise


def _between(x: NDArray[np.float32], edges: list[float]) -> NDArray[np.uint8]:
    """How many of the ascending edges lie left of each x."""
    return np.digitize(x, np.array(edges, np.float32)).astype(np.uint8)


def _edges(tone: NDArray[np.float32], scene: Scene, x: NDArray, z: NDArray, pavement: NDArray[np.bool_]) -> None:
    """Kerbstones, light over a dark gutter, and the joints of the paving slabs."""
    left, right = scene.middle - scene.sides[0].kerb, scene.middle + scene.sides[1].kerb
    strips = _between(x, [left - 0.16, left, left + 0.14, right - 0.14, right, right + 0.16])
    tone *= np.take(np.array((1, 1.18, 0.72, 1, 0.72, 1.18, 1), np.float32), strips)
    near = int(np.argmax(z < 16))  # joints are too fine to see beyond
    joints = ((x[near:] % 0.9) < 0.05) | ((z[near:] % 0.9) < 0.06)
    tone[near:][joints & pavement[near:]] *= 0.86


def _marks(rng: np.random.Generator, scene: Scene, x: NDArray, z: NDArray) -> NDArray[np.bool_]:
    """Where centre line, edge lines and the zebra crossing are painted."""
    aside = np.abs(x - scene.middle)
    kerb = scene.sides[0].kerb
    marks = (aside < 0.09) & ((z + rng.uniform(0, 6)) % 6 < rng.choice([3, 6]))
    if rng.random() < 0.5:
        marks |= np.abs(aside - kerb + 0.35) < 0.07
    if rng.random() < 0.4:
        marks |= (np.abs(aside - kerb + 2.1) < 0.06) & (z % 2 < 1)
    if scene.crossing is not None:
        marks |= (np.abs(z - scene.crossing) < 1.5) & ((x - scene.middle) % 1.0 < 0.5) & (aside < kerb - 0.3)
    return marks


def _shadows(scene: Scene, things: list[Thing], rows: int, columns: int) -> NDArray[np.float32]:
    """What is left of the light on each pixel, as far as things on the ground take it."""
    shade = np.zeros((rows, columns), np.uint8)
    (dx, dz), depth = scene.light.sun, scene.light.shadow
    for thing in things:
        half, deep, place = thing.width / 2, max(thing.length / 2, 0.12), np.array((thing.x, thing.z))
        if thing.draw in (vehicles.car, vehicles.bus):  # dark underneath in any weather
            turn = np.radians(thing.turn)
            axes = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
            corners = np.array([(-1, -1), (-1, 1), (1, 1), (1, -1)]) * (half + 0.15, deep + 0.2) @ axes
            _darken(shade, scene, corners + place, 150)
        if not depth:
            continue
        low, slim = 0.0, half
        if thing.draw is nature.tree:
            low = thing.height * 0.4
        elif thing.draw in (furniture.lamp, furniture.sign, furniture.traffic_light):
            slim = 0.12
        foot = np.array([(-slim, -deep), (-slim, deep), (slim, deep), (slim, -deep)]) + place
        tall = thing.height if thing.draw is not buildings.building else min(thing.height, 7.0)
        ends = [foot + np.array((dx, dz)) * h for h in (low, tall)]
        outline = cv2.convexHull(np.concatenate(ends).astype(np.float32))[:, 0]
        _darken(shade, scene, outline, int(255 * depth))
    soft = cv2.GaussianBlur(shade, (0, 0), 2.5)
    return 1 - soft.astype(np.float32) / np.float32(255)


def _darken(shade: NDArray[np.uint8], scene: Scene, outline: NDArray, depth: int) -> None:
    """A shadow with the given (N, 2) outline on the ground; shadows don't add up."""
    points = np.stack([outline[:, 0], np.zeros(len(outline)), outline[:, 1]], axis=1)
    if (points[:, 2] < 1).all():
        return
    corners = np.clip(scene.camera.project(points) * 2, -30000, 30000).round().astype(np.int32)
    cv2.fillPoly(shade, [corners], (depth,))
