"""What stands where: one street, decided before anything is drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tasks.data.streets.camera import Camera
from tasks.data.streets.canvas import ROAD, SIDEWALK, TERRAIN, Canvas, Label

HORIZON = 90.0  # metres; the skyline stands here, nothing is farther


@dataclass(frozen=True)
class Light:
    """What the scene's kind means to a painter."""

    kind: str
    sun: tuple[float, float]  # metres of shadow along x and z per metre of height
    shadow: float  # 0 none … 1 black
    windows: float  # share of the windows that are lit

    @property
    def sight(self) -> float:
        """Metres beyond which nothing is built, because nobody could tell it from the air."""
        return 45.0 if self.kind == "fog" else HORIZON

    @property
    def snow(self) -> bool:
        return self.kind == "snow"

    @property
    def lamps(self) -> bool:
        return self.kind in ("dusk", "night")


class Thing(NamedTuple):
    """Something that stands on the ground: who draws it, where its middle is, and how large it is, in metres."""

    draw: "Painter"
    x: float
    z: float
    width: float
    height: float
    length: float = 0.0  # along z
    turn: float = 0.0  # degrees; 0 looks ahead, 180 comes towards the camera


Painter = Callable[[Canvas, np.random.Generator, Thing, Light], None]


class Band(NamedTuple):
    """A strip of ground along the road, from `left` to `right` in metres."""

    label: Label
    left: float
    right: float


class Side(NamedTuple):
    """One side of the street; distances from the middle of the road, outwards."""

    sign: int
    kerb: float
    walk: tuple[float, float]
    verge: tuple[float, float]
    outer: float  # where the fences stand
    front: float  # where the buildings begin


@dataclass(frozen=True)
class Scene:
    """A street without its things: camera, light and ground."""

    camera: Camera
    light: Light
    middle: float  # of the road, in metres from the camera's path
    sides: tuple[Side, Side]
    crossing: float | None  # distance of a zebra crossing

    @property
    def bands(self) -> list[Band]:
        """The ground from left to right."""
        bands = [Band(ROAD, self.middle - self.sides[0].kerb, self.middle + self.sides[1].kerb)]
        for side in self.sides:
            for label, (near, far) in ((SIDEWALK, side.walk), (TERRAIN, side.verge), (TERRAIN, (side.outer, 400.0))):
                edges = sorted((self.middle + side.sign * near, self.middle + side.sign * far))
                bands.append(Band(label, *edges))
        return sorted(bands, key=lambda band: band.left)


def plan(rng: np.random.Generator, kind: str, height: int, width: int) -> Scene:
    """Choose camera, light and street."""
    camera = Camera(
        width=width,
        height=height,
        focal=width * rng.uniform(0.52, 0.6),
        centre=width * rng.uniform(0.36, 0.64),
        horizon=height * rng.uniform(0.38, 0.5),
        eye=rng.uniform(1.3, 2.1),
        bend=rng.uniform(-0.0022, 0.0022),
    )
    reach = {"day": rng.uniform(0.3, 0.9), "dusk": rng.uniform(1.2, 2.2)}.get(kind, 0.0)
    sun = (float(rng.choice([-1, 1])) * reach, reach * rng.uniform(-0.3, 0.6))
    light = Light(
        kind=kind,
        sun=sun,
        shadow={"day": 0.5, "dusk": 0.45}.get(kind, 0.0),
        windows={"day": 0.0, "dusk": 0.3, "night": 0.5}.get(kind, 0.1),
    )
    lanes = rng.uniform(6.0, 8.0)
    sides = (_side(rng, -1, lanes / 2), _side(rng, 1, lanes / 2))
    crossing = rng.uniform(7, 13) if rng.random() < 0.4 else None
    return Scene(camera, light, rng.uniform(-1.6, 1.6), sides, crossing)


def _side(rng: np.random.Generator, sign: int, kerb: float) -> Side:
    walk, verge = rng.uniform(2.8, 4.2), rng.uniform(1.8, 3.2)
    if rng.random() < 0.5:  # grass between the road and the pavement
        edges = (kerb + verge, kerb + verge + walk), (kerb, kerb + verge)
    else:
        edges = (kerb, kerb + walk), (kerb + walk, kerb + walk + verge)
    outer = kerb + walk + verge
    return Side(sign, kerb, *edges, outer=outer, front=outer + rng.uniform(0.6, 3.5))
