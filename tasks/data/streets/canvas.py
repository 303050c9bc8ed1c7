"""The canvas: each shape is drawn into picture, labels and depth at once, so labels match the picture exactly."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL.ImageColor import getrgb

from tasks.data.datasets.cityscapes_classes import CLASSES

Array = NDArray[Any]  # of floats
IDS = {label.name: label.label_id for label in CLASSES} | {"ego vehicle": 1}
NEAREST, FARTHEST = 0.7, 120.0  # metres; nearer and farther points are clamped to these
SHIFT = 4  # cv2's fractional bits of coordinates
ROUGHNESS, SNOW = np.full(256, 0.03, np.float32), np.zeros(256, np.float32)  # of surfaces, and snow cover, by label
ROUGHNESS[[IDS["vegetation"], IDS["terrain"]]] = 0.08
SNOW[[IDS[name] for name in ("road", "sidewalk", "terrain", "vegetation")]] = 0.4, 0.72, 0.85, 0.2


class Weather(NamedTuple):
    """Appearance of a kind of scene."""

    sky: str  # colours of its top, its foot and its clouds
    light: tuple[float, float, float]  # factors of red, green, blue for everything
    grey: float  # share of colour that is lost
    air: str
    haze: tuple[float, float]  # range of its density, 1 / metres


# fmt: off
WEATHERS = {
    "day":   Weather("#5488cc #c6daea #f6f6f6", (1.06, 1.03, 0.98), 0,    "#c4d4e4", (0.001, 0.004)),
    "dusk":  Weather("#6b93e6 #ffe6c8 #ffc8e6", (0.86, 0.68, 0.58), 0,    "#e69668", (0.002, 0.004)),
    "night": Weather("#283456 #b8aab2 #888587", (0.25, 0.27, 0.37), 0,    "#141622", (0.002, 0.004)),
    "fog":   Weather("#c6cace #ced1d4 #caced0", (1.00, 1.00, 1.00), 0.35, "#c2c6ca", (0.035, 0.055)),
    "rain":  Weather("#7c828a #b0b4b8 #646a72", (0.72, 0.76, 0.82), 0.4,  "#969ca4", (0.008, 0.016)),
    "snow":  Weather("#bec4ce #dee2e8 #ced2da", (0.92, 0.95, 1.00), 0.25, "#d6dce4", (0.010, 0.020)),
}
# fmt: on


class Shape(NamedTuple):
    """One or several polygons of one colour."""

    colour: Array  # red, green, blue
    points: Array  # (…, corners, 3) metres: x to the right of the camera's path, y up from the ground, z ahead
    glow: float = 0  # emitted light, 0 … 255: stays bright at night


Thing = list[tuple[str, list[Shape]]]  # classes and shapes of its objects, back to front


class Canvas:
    """A picture with labels, seen by a pinhole camera above a flat, bending road; initially all sky."""

    def __init__(self, rng: np.random.Generator, kind: str, height: int, width: int) -> None:
        self.rng, self.kind, self.weather = rng, kind, WEATHERS[kind]
        self.focal, self.eye = width * rng.uniform(0.52, 0.6), rng.uniform(1.3, 2.1)  # pixels, metres
        self.centre, self.horizon = width * rng.uniform(0.36, 0.64), height * rng.uniform(0.38, 0.5)  # pixels
        self.bend = rng.uniform(-0.0022, 0.0022)  # the road is shifted sideways by bend * z^2 at z metres
        self.labels = np.full((height, width), IDS["sky"], np.uint8)
        self.instances = self.labels.astype(np.uint16)
        corners = [[0, 0], [width, 0], [width, height], [0, height]]
        self.objects: list[dict[str, Any]] = [{"label": "sky", "polygon": corners}]  # back to front
        depth = np.arange(0.5, height)[:, None, None] / self.horizon - 1  # of the ground; negative for the sky
        nearness = np.maximum(depth * self.horizon / (self.focal * self.eye), 1 / FARTHEST)
        self.nearness = np.repeat(nearness[..., 0], width, axis=1).astype(np.float32)  # 1 / metres
        top, foot, clouds = (np.array(getrgb(name)) + rng.normal(0, 6) for name in self.weather.sky.split())
        sky = foot + (top - foot) * np.clip(-depth, 0, 1)
        sky = sky + (clouds - sky) * np.clip(self.patches(90) + rng.uniform(-0.5, 0.3), 0, 1)[..., None]
        self.pixels = np.insert(np.clip(sky, 0, 255), 3, 0, axis=2).astype(np.uint8)  # red, green, blue, glow

    def polygons(self, points: Array) -> list[NDArray[np.int32]]:
        """Project (…, corners, 3) world points to polygons in the picture, as cv2 fills them."""
        x, y, z = points[..., 0], points[..., 1], np.maximum(points[..., 2], NEAREST)
        across, down = self.focal * (x / z + self.bend * z), self.focal * (self.eye - y) / z
        corners = np.stack([self.centre + across, self.horizon + down], axis=-1) - 0.5
        return list(np.rint(corners * (1 << SHIFT)).astype(np.int32).reshape(-1, *corners.shape[-2:]))

    def mask(self, shapes: list[Shape]) -> NDArray[np.uint8]:
        """(height, width), 255 where shapes would be painted."""
        mask = np.zeros_like(self.labels)
        for shape in shapes:
            cv2.fillPoly(mask, self.polygons(shape.points), (255,), cv2.LINE_8, SHIFT)
        return mask

    def paint(self, label: str, shapes: list[Shape], *, flat: bool = False) -> None:
        """Paint one object, upright or `flat` on the ground; gaps get its label too, as the official annotators do."""
        for colour, points, glow in shapes:
            polygons, nearness = self.polygons(points), 1 / max(points[..., 2].mean(), NEAREST)
            cv2.fillPoly(self.pixels, polygons, (*colour.tolist(), glow), cv2.LINE_AA, SHIFT)
            if not flat:
                cv2.fillPoly(self.nearness, polygons, (nearness,), cv2.LINE_8, SHIFT)
        found = cv2.findContours(self.mask(shapes), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        outlines, value = sorted((line for line in found if len(line) > 2), key=cv2.contourArea), IDS[label]
        if value >= 24:  # classes with separate objects: one outline is one instance
            outlines, value = outlines[-1:], value * 1000 + sum(other["label"] == label for other in self.objects)
        cv2.drawContours(self.labels, outlines, -1, (IDS[label],), cv2.FILLED)
        cv2.drawContours(self.instances, outlines, -1, (value,), cv2.FILLED)
        curves = (cv2.approxPolyDP(outline, 0.5, True)[:, 0].tolist() for outline in outlines)
        self.objects += [{"label": label, "polygon": curve} for curve in curves]

    def develop(self) -> NDArray[np.uint8]:
        """The finished (height, width, 3) RGB picture, in its light and weather."""
        rng, kind, labels, size, z = self.rng, self.kind, self.labels, self.labels.shape, 1 / self.nearness
        rough = ROUGHNESS[labels] * rng.standard_normal(size, np.float32) + 0.05 * self.patches(24)
        image: Array = self.pixels[..., :3] * (1 + rough[..., None])
        image += self.weather.grey * (image.mean(axis=2, keepdims=True) - image)
        if kind == "snow":
            cover = np.clip(SNOW[labels] + 0.25 * (SNOW[labels] > 0) * self.patches(16), 0, 0.96)
            image += (236 - image) * cover[..., None]
        light, glow = np.array(self.weather.light) * rng.uniform(0.88, 1.12), self.pixels[..., 3:] / np.float32(255)
        if kind == "night":  # the camera car's own headlights
            across = (np.arange(size[1]) / size[1] - rng.uniform(0.42, 0.58)) / 0.32
            light = light + 0.85 * np.exp(-(across**2) - 0.09 * z)[..., None]
        image = image * (light.astype(np.float32) * (1 - glow) + glow) + cv2.GaussianBlur(image * glow, (0, 0), 4)
        clear = np.exp(-np.float32(rng.uniform(*self.weather.haze)) * z)[..., None]  # Koschmieder's law
        image = image * clear + np.array(getrgb(self.weather.air), np.float32) * (1 - clear)
        if kind == "rain":  # wet road reflections and rain drops
            above = image[np.clip(2 * self.horizon - np.arange(size[0]), 0, size[0] - 1).astype(int)]
            wet = np.clip(0.38 + 0.2 * self.patches(30), 0.1, 0.7) * np.isin(labels, (IDS["road"], IDS["sidewalk"]))
            streak = cv2.line(np.zeros((15, 15), np.float32), (7 + int(rng.integers(-4, 5)), 0), (7, 14), 1)
            drops = np.minimum(cv2.filter2D((rng.random(size) > 0.994).astype(np.float32), -1, streak), 1)
            image += (cv2.blur(above, (3, 17)) - image) * wet[..., None] + 48 * drops[..., None]
        elif kind == "snow":
            flakes = cv2.GaussianBlur((rng.random(size) > 0.9965).astype(np.float32), (0, 0), rng.uniform(0.7, 1.1))
            image += (250 - image) * np.minimum(flakes * 4, 0.9)[..., None]
        image = cv2.GaussianBlur(image.astype(np.float32), (0, 0), rng.uniform(0.4, 0.6))
        image = image + np.float32(rng.uniform(0.5, 2.5)) * rng.standard_normal((*size, 1), np.float32)  # the sensor
        return np.clip(image, 0, 255).astype(np.uint8)

    def patches(self, pixels: int) -> Array:
        """(height, width) smooth noise with spots of about that many pixels, deviation about 1."""
        height, width = self.labels.shape
        grid = self.rng.standard_normal((height // pixels + 2, width // pixels + 2), np.float32)
        return cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
