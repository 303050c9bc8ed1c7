"""Light and weather: turns the evenly lit canvas into a picture of a day, a dusk, a night, fog, rain or snow."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.data.streets import furniture
from tasks.data.streets.canvas import BUILDING, FENCE, ROAD, SIDEWALK, SKY, TERRAIN, VEGETATION, Canvas
from tasks.data.streets.scene import Scene, Thing

Image = NDArray[Any]  # float32
ROUGHNESS = np.full(256, 0.02, np.float32)  # of the surfaces, by label: the deviation of each pixel's brightness
ROUGHNESS[[VEGETATION.id, TERRAIN.id]] = 0.08
ROUGHNESS[[BUILDING.id, FENCE.id, ROAD.id, SIDEWALK.id]] = 0.028
ROUGHNESS[SKY.id] = 0.0


def develop(canvas: Canvas, rng: np.random.Generator, scene: Scene, things: list[Thing]) -> NDArray[np.uint8]:
    """The finished (height, width, 3) RGB picture."""
    camera, kind = scene.camera, scene.light.kind
    painted = cv2.resize(canvas.pixels, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    rough = ROUGHNESS[canvas.labels] * rng.standard_normal(canvas.labels.shape, dtype=np.float32)
    lit: Image = painted[..., 3:].astype(np.float32) / np.float32(255)
    image: Image = painted[..., :3] * (1 + rough[..., None])
    z: Image = 1 / np.maximum(canvas.nearness, np.float32(1 / 120))
    if kind == "dusk":
        image = image * (tint(rng, (0.86, 0.68, 0.58)) * (1 - lit) + 1.1 * lit) + _halo(image * lit) * 0.6
        image = _haze(image, z, (230, 150, 104), rng.uniform(0.002, 0.004))
    elif kind == "night":
        image = image * (_night_light(scene, things, z, rng) + lit) + _halo(image * lit)
    elif kind == "fog":
        fog = rng.uniform(0.85, 1.0) * np.array((204, 208, 212), np.float32)
        image = _haze(_grey(image, 0.35), z, fog, rng.uniform(0.035, 0.055)) + _halo(image * lit) * 0.3
    elif kind == "rain":
        image = _grey(image, 0.4) * tint(rng, (0.72, 0.76, 0.82)) + _halo(image * lit) * 0.4
        image = _haze(image, z, (150, 156, 164), rng.uniform(0.008, 0.016))
        image = _wet(image, canvas, camera.horizon, rng)
        image = _streaks(image, rng)
    elif kind == "snow":
        image = _grey(image, 0.25) * tint(rng, (0.92, 0.95, 1.0))
        image = _haze(image, z, (214, 220, 228), rng.uniform(0.01, 0.02))
        image = _flakes(image, rng)
    else:
        image = _haze(image * tint(rng, (1.06, 1.03, 0.98)), z, (196, 212, 228), rng.uniform(0.001, 0.004))
    image = image + rng.uniform(0.5, 2.0) * rng.standard_normal((*z.shape, 1), dtype=np.float32)  # the sensor
    return np.clip(image, 0, 255).astype(np.uint8)


def tint(rng: np.random.Generator, colour: tuple[float, float, float]) -> Image:
    """A coloured light, a little brighter or darker from picture to picture."""
    return np.array(colour, np.float32) * np.float32(rng.uniform(0.9, 1.1))


def _grey(image: Image, share: float) -> Image:
    return image + share * (image.mean(axis=2, keepdims=True) - image)


def _haze(image: Image, z: Image, colour: tuple[float, float, float] | Image, density: float) -> Image:
    """Koschmieder's law: what light reaches the eye from z metres; the rest is the colour of the air."""
    clear = np.exp(-density * z)[..., None]
    return image * clear + np.asarray(colour, np.float32) * (1 - clear)


def _halo(glow: Image) -> Image:
    """Light that spills around lamps."""
    height, width = glow.shape[:2]
    small = cv2.resize(glow, (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    spilt = cv2.GaussianBlur(small, (0, 0), 2.0) + 0.6 * cv2.GaussianBlur(small, (0, 0), 6.0)
    return cv2.resize(spilt, (width, height), interpolation=cv2.INTER_LINEAR)


def _night_light(scene: Scene, things: list[Thing], z: Image, rng: np.random.Generator) -> Image:
    """Moonlight, pools under the street lamps, and the camera car's own headlights."""
    camera = scene.camera
    columns, rows = np.arange(camera.width) + 0.5, np.arange(camera.height)[:, None] + 0.5
    x = ((columns - camera.centre) / camera.focal - camera.bend * z) * z
    y = camera.eye - (rows - camera.horizon) * z / camera.focal
    light = np.ones((*z.shape, 3), np.float32) * tint(rng, (0.25, 0.27, 0.37))
    beam = np.exp(-((x / (1.5 + 0.22 * z)) ** 2) - z / 11 - np.maximum(y - 0.9, 0) * 1.2)
    light += beam.astype(np.float32)[..., None] * tint(rng, (0.85, 0.82, 0.74))
    for thing in things:
        if thing.draw is furniture.lamp:
            towards = -1.2 if thing.x > 0 else 1.2
            pool = np.exp(-((x - thing.x - towards) ** 2 + (z - thing.z) ** 2) / 18 - np.maximum(y - thing.height, 0))
            light += pool.astype(np.float32)[..., None] * np.array((0.62, 0.5, 0.32), np.float32)
    return light


def _wet(image: Image, canvas: Canvas, horizon: float, rng: np.random.Generator) -> Image:
    """Roads mirror what stands above the horizon, broken up in streaks and puddles."""
    height, width = image.shape[:2]
    rows = np.clip(2 * horizon - np.arange(height), 0, height - 1).astype(int)
    mirrored = cv2.blur(image[rows], (3, 17))
    puddles = cv2.resize(
        rng.standard_normal((10, 8)).astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC
    )
    share = np.clip(0.38 + 0.2 * puddles, 0.08, 0.7) * np.isin(canvas.labels, (ROAD.id, SIDEWALK.id))
    return image * (1 - share[..., None]) + (mirrored * share[..., None]).astype(np.float32) * 0.95


def _streaks(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    drops = (rng.random((height, width), dtype=np.float32) > 0.994).astype(np.float32)
    kernel = np.zeros((15, 15), np.float32)
    lean = int(rng.integers(-4, 5))
    cv2.line(kernel, (7 - lean, 0), (7 + lean, 14), (1,), 1)
    return image + 48 * np.minimum(cv2.filter2D(drops, -1, kernel), 1)[..., None]


def _flakes(image: Image, rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    layer = np.zeros((height, width), np.float32)
    count = height * width // 400
    sizes = 0.6 + 1.8 * rng.random(count) ** 4
    for (x, y), size in zip(rng.uniform(0, (width, height), (count, 2)), sizes, strict=True):
        cv2.circle(layer, (int(x * 16), int(y * 16)), int(size * 16), (0.9,), cv2.FILLED, cv2.LINE_8, 4)
    soft = cv2.GaussianBlur(layer, (0, 0), 0.7)[..., None]
    return image + (250 - image) * soft
