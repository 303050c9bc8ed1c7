"""One street scene from seed to finished arrays: ground, figures and weather."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.ImageColor import getrgb

from tasks.data.streets.canvas import Array, Canvas, Shape, Thing
from tasks.data.streets.figures import FIGURES, PALETTES, RED, WHITE

TRAFFIC = {"cyclist": 2, "walker": 4, "car": 3, "bus": 3, "light": 2, "sign": 3, "bicycle": 1, "lamp": 2, "tree": 5}
OVERLAP = 0.15  # an object of TRAFFIC is left out if a larger share of it would overlap others


class Picture(NamedTuple):
    """A picture and its labels in the official formats."""

    image: NDArray[np.uint8]  # (height, width, 3) RGB
    labels: NDArray[np.uint8]  # (height, width) labelIds
    instances: NDArray[np.uint16]  # (height, width) labelId, or labelId * 1000 + n
    objects: list[dict[str, Any]]  # {"label", "polygon"}, back to front


def draw(kind: str, *, seed: tuple[int, ...], height: int, width: int) -> Picture:
    """Draw a scene of a kind (`write.KINDS`), determined by the seed."""
    rng = np.random.default_rng(seed)
    canvas, street = Canvas(rng, kind, height, width), Street(rng, dark=kind in ("dusk", "night"))
    distances = np.arange(45 if kind == "fog" else 80, 0, -15.0)  # beyond, a house is indistinguishable from air
    things = [street.place("house", sign, z)[1] for z in distances for sign in (-1, 1)]
    things += [street.place(name, sign)[1] for name in ("bush", "bush", "bush", "fence") for sign in (-1, 1)]
    taken, traffic = np.zeros((height, width), bool), list[tuple[float, Thing]]()
    for name in (name for name, count in TRAFFIC.items() for _ in range(count)):
        z, thing = street.place(name)
        mask = canvas.mask([shape for _, shapes in thing for shape in shapes]) > 0
        if mask.any() and taken[mask].mean() < OVERLAP:
            taken |= mask
            traffic.append((z, thing))
    things += [thing for _, thing in sorted(traffic, key=lambda pair: -pair[0])]
    street.paint_ground(canvas)
    for label, shapes in (item for thing in things for item in thing):
        canvas.paint(label, shapes)
    if rng.random() < 0.6:  # the camera car's bonnet
        top = canvas.eye - (height * rng.uniform(0.9, 0.96) - canvas.horizon) / canvas.focal
        rim = [(x, top - 0.08 * abs(x) ** 3, 1) for x in np.linspace(-2, 2, 21)]
        canvas.paint("ego vehicle", [Shape(street.tone("paint") * 0.6, np.array([*rim, (9, -9, 1), (-9, -9, 1)]))])
    return Picture(canvas.develop(), canvas.labels, canvas.instances, canvas.objects)


class Street:
    """The zones of a street in which figures are placed."""

    def __init__(self, rng: np.random.Generator, *, dark: bool) -> None:
        self.rng, self.dark, self.middle, self.kerb = rng, dark, rng.uniform(-1.6, 1.6), rng.uniform(3, 4)
        self.zones: dict[int, dict[str, float]] = {}  # left (-1), right (1): start of each, metres from the middle
        for sign in (-1, 1):
            slabs, grass, verge_first = rng.uniform(2.8, 4.2), rng.uniform(1.8, 3.2), rng.integers(2)
            walk, verge = self.kerb + verge_first * grass, self.kerb + (1 - verge_first) * slabs
            zones = {"walk": walk, "walk end": walk + slabs, "verge": verge, "outer": self.kerb + slabs + grass}
            self.zones[sign] = {"road": 0, "kerb": self.kerb, **zones}

    def tone(self, role: str) -> Array:
        """A random colour of a palette, slightly varied in brightness and hue."""
        names = PALETTES.get(role, role).split()
        colour = np.array(getrgb(names[int(self.rng.integers(len(names)))]))
        return np.clip(colour + self.rng.normal(0, 10) + self.rng.normal(0, 3, 3), 0, 255)

    def place(self, name: str, sign: int = 0, z: float = 0) -> tuple[float, Thing]:
        """Place a figure randomly in its zone, on the left (-1), the right (1) or either side; returns its distance
        too.
        """
        kind, rng = FIGURES[name], self.rng
        sign, z = sign or int(rng.choice([-1, 1])), z or rng.uniform(*kind.ahead)
        x = self.middle + sign * (self.zones[sign][kind.zone] + rng.uniform(*kind.aside))
        tall, turn, thing = rng.uniform(*kind.size), -sign * np.radians(rng.uniform(*kind.turn)), Thing()
        flip = rng.choice([-1, 1]) if kind.mirrored else -sign
        axes = tall * np.array([(flip * np.cos(turn), 0, flip * np.sin(turn)), (0, 1, 0)])
        names = {"lamp": RED if sign > 0 else WHITE, "lamplight": "lamplight" if self.dark else "pane"}
        for label, looks in kind.objects:
            parts, shapes = looks[int(rng.integers(len(looks)))], list[Shape]()
            colours = {role: self.tone(names.get(role, role)) for role in dict.fromkeys(part.role for part in parts)}
            for role, outline, shade, glow in parts:
                points = np.asarray(outline) @ axes + (x, 0, z)
                shapes.append(Shape(colours[role] * shade, points, glow * (names.get(role) != "pane")))
            if kind.depth:
                front, depth = shapes[0].points, kind.depth * np.array([-np.sin(turn), 0, np.cos(turn)])
                corners = zip(front, np.roll(front, 1, 0), np.roll(front, 1, 0) + depth, front + depth, strict=True)
                shapes = [*(Shape(shapes[0].colour * 0.85, np.array(wall)) for wall in corners), *shapes]
            thing.append((label, shapes))
        return z, thing

    def paint_ground(self, canvas: Canvas) -> None:
        """Paint grass, pavements with kerbs, and the road with its markings."""
        colours = {role: self.tone(role) for role in ("grass", "slabs", "asphalt", WHITE)}

        def strip(role: str, left: float, right: float, near: float = 1, far: float = 90, shade: float = 1) -> Shape:
            z = np.geomspace(near, far, 24)
            edges = [np.stack([self.middle + x + 0 * z, 0 * z, z], axis=1) for x in (left, right)]
            return Shape(colours[role] * shade, np.concatenate([edges[0], edges[1][::-1]]))

        canvas.paint("terrain", [strip("grass", -200, 200)], flat=True)
        for sign, zones in self.zones.items():
            near, far, edge = (sign * metres for metres in (zones["walk"], zones["walk end"], zones["walk"] + 0.16))
            canvas.paint("sidewalk", [strip("slabs", near, far), strip("slabs", near, edge, shade=1.15)], flat=True)
        rng, kerb, zebra, edged, crossed = self.rng, self.kerb, self.rng.uniform(7, 20), *(self.rng.random(2) < 0.5)
        road, dash = [strip("asphalt", -kerb, kerb)], rng.choice([3, 6])
        road += [strip(WHITE, -0.09, 0.09, z, z + dash, 0.85) for z in np.arange(rng.uniform(1, 7), 50, 6)]
        road += [strip(WHITE, x - 0.07, x + 0.07, shade=0.8) for x in (0.35 - kerb, kerb - 0.35) if edged]
        bars = np.arange(0.3 - kerb, kerb - 0.6) if crossed else ()
        road += [strip(WHITE, x, x + 0.5, zebra - 1.5, zebra + 1.5, 0.8) for x in bars]
        canvas.paint("road", road, flat=True)
