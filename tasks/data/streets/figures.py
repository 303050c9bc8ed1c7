"""Figures of a street as tables of flat shapes: their colours, outlines and places."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Outline = NDArray[np.float64]  # (…, corners, 2) metres across and up; a polygon within another makes a ring


class Part(NamedTuple):
    """One or several polygons; parts of a figure with the same role share a colour of its palette."""

    role: str  # in PALETTES, or a colour
    outline: Any
    shade: float = 1  # factor of the colour
    glow: float = 0  # emitted light, 0 … 255: stays bright at night


class Figure(NamedTuple):
    """An object of flat parts on an upright card, and the ranges it is placed in."""

    objects: tuple[tuple[str, tuple[tuple[Part, ...], ...]], ...]  # class and looks of each object, back to front
    zone: str  # of the street
    aside: tuple[float, float]  # metres from the zone's inner edge
    ahead: tuple[float, float]  # metres from the camera
    size: tuple[float, float] = (0.9, 1.1)
    turn: tuple[float, float] = (0, 0)  # degrees; 0 faces the camera, 90 the road
    depth: float = 0  # metres that its first part extends back, as a box
    mirrored: bool = True  # at random; otherwise, it points towards the road


def box(left: float, low: float, right: float, high: float) -> Outline:
    """(4, 2) corners."""
    return np.array([(left, low), (right, low), (right, high), (left, high)])


def disc(x: float, y: float, radius: float | Outline, corners: int = 12, turn: float = 0) -> Outline:
    """(corners, 2) of a regular polygon, or of a ragged one given radii (corners, 2); `turn` in full turns."""
    angles = 2 * np.pi * (np.arange(corners) / corners + turn)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1) * radius + (x, y)


def limb(x: float, y: float, end_x: float, end_y: float, thickness: float = 0.07) -> Outline:
    """(4, 2) corners of a thick line."""
    ends, length = np.array([(x, y), (end_x, end_y)]), np.hypot(end_x - x, end_y - y)
    aside = np.array((y - end_y, end_x - x)) * thickness / 2 / length
    return np.concatenate([ends + aside, ends[::-1] - aside])


def crown(y: float, wide: float, tall: float) -> tuple[Part, ...]:
    """A ragged ellipse of leaves, lighter towards the top."""
    rng, half = np.random.default_rng(int(10 * wide)), np.array((wide, tall))
    leaves = [(0, 0, 1, 0.75), *((x, up, 0.22, 0.9 + 0.3 * up) for x, up in rng.uniform(-0.65, 0.65, (14, 2)))]
    blobs = [disc(x, up, size * rng.uniform(0.8, 1.15, (18, 1)), 18) * half + (0, y) for x, up, size, _ in leaves]
    return tuple(Part("leaf", blob, leaf[3]) for blob, leaf in zip(blobs, leaves, strict=True))


def vehicle(wide: float, tall: float, belt: float, roof: float) -> tuple[Part, ...]:
    """A car or bus from its front or rear, `wide` and `tall` metres from its middle, with windows from `belt` up."""
    body = [(-wide, 0.2), (wide, 0.2), (wide, belt), (roof * wide, tall), (-roof * wide, tall), (-wide, belt)]
    pane = [(0.9 * x, 0.84 * y + 0.08 * (belt + tall)) for x, y in body[2:]]
    tyres = [box(x * wide, 0, (x + 0.34) * wide, 0.22) for x in (-0.94, 0.6)]
    lamps = [box(x * wide, 0.6 * belt, (x + 0.34) * wide, 0.88 * belt) for x in (-0.94, 0.6)]
    plate, bumper = box(-0.27, 0.46 * belt, 0.27, 0.6 * belt), box(-wide, 0.2, wide, 0.45 * belt)
    parts = map(Part, ("paint", DARK, "glass", DARK, WHITE), (body, tyres, pane, bumper, plate))
    return *parts, Part("lamp", lamps, 1, 200)


def house(length: float, floors: int, pitch: float) -> tuple[Part, ...]:
    """A facade with rows of windows under a roof; some windows are lit after dark."""
    rng, top = np.random.default_rng(floors), 3 * floors + 0.5
    places = np.mgrid[0 : length - 1.5 : pitch, 0 : top - 2 : 3].reshape(2, -1).T[:, None]
    panes, lit = box(0.5, 0.9, rng.uniform(1.3, 1.7), rng.uniform(2, 2.6)) + places, rng.random(len(places)) < 0.4
    rims = panes + 0.14 * np.sign(panes - panes.mean(axis=1, keepdims=True))
    roof = [(0, top), (length, top), (length - 1, top + 2), (1, top + 2)]
    parts = map(Part, ("wall", "roof", "frame", "pane"), (box(0, 0, length, top), roof, rims, panes[~lit]))
    return *parts, Part("lamplight", panes[lit], 1, 200)


# fmt: off
DARK, WHITE, RED, BLUE, GOLD = "#201f22", "#eceae4", "#bc2024", "#1c4c9c", "#ecbe28"
CLOTHES = "#2a3046 #96282c #d2cec6 #3c5a3c #c4963c #222226 #5a6e96 #825a78 #b06032 #787874"
PALETTES = {
    "coat": CLOTHES, "trousers": CLOTHES, "hat": CLOTHES + " #281e1a #5a3e28", "asphalt": "#626266 #54545a #706e6e",
    "paint": CLOTHES + " #3c3e44 #a8aaae #dededc #264278 #78a0b4 #c86e28", "skin": "#e8bea0 #c49270 #8c6046 #5c3e2e",
    "glass": "#303a44 #4c5a68", "metal": "#7e8284 #54585a #404e46 #a0a2a0 #60544a", "case": "#222426 #283a30 #b08c28",
    "wall": "#c4b8a0 #ac7058 #969492 #d6ccbe #bc9668 #7e8692 #a05a46 #cab280 #76706a #b0beba #94a682",
    "roof": "#864636 #545054 #6c3e30 #42444c", "frame": "#e6e4dc #5a4232 #3c3e42", "pane": "#3a4654 #707e8c",
    "lamplight": "#ffd68c #ffc46e #f0e8c8", "bark": "#5c4a3a #6e6860 #463a30",
    "leaf": "#466830 #5c7434 #385634 #767a34 #96702e #865030 #546c4a", "grass": "#5c7036 #70763e #4e6438 #80744e",
    "wood": "#78563a #96948e #5c605a #a88c64 #465c48", "slabs": "#9c968e #868486 #aa9886 #948074",
}

HEAD = Part("skin", box(-0.06, 1.43, 0.06, 1.6)), Part("hat", disc(0, 1.65, 0.15)), Part("skin", disc(0, 1.6, 0.12))
PEOPLE = tuple((
    Part("trousers", limb(-0.1, 0.95, -step, 0, 0.19), 0.85), Part("trousers", limb(0.1, 0.95, step, 0, 0.19)),
    Part("coat", limb(-0.24, 1.4, -0.3, 0.85, 0.13), 0.8), Part("coat", limb(0.24, 1.4, 0.35, 0.88, 0.13), 0.9),
    Part("coat", [(-0.22, hem), (-0.25, 1.36), (-0.14, 1.48), (0.14, 1.48), (0.25, 1.36), (0.22, hem)]), *HEAD,
) for step, hem in ((0.09, 0.84), (0.16, 0.5), (0.28, 0.84), (0.24, 0.62)))
RIDER = (
    Part("trousers", limb(-0.2, 0.98, 0.24, 0.7, 0.2)), Part("trousers", limb(0.24, 0.74, 0.02, 0.2, 0.15)),
    Part(DARK, box(-0.06, 0.14, 0.16, 0.25)), Part("coat", limb(-0.2, 0.95, 0.12, 1.5, 0.42)),
    Part("coat", limb(0.12, 1.45, 0.5, 1.1, 0.13), 0.8), *(Part(role, np.add(at, (0.2, 0.1))) for role, at, *_ in HEAD),
)
TUBES = np.array([(-0.5, 0.4, 0, 0.3), (0, 0.3, -0.2, 0.9), (0, 0.3, 0.4, 1), (-0.2, 0.8, 0.4, 1), (0.4, 1, 0.5, 0.36)])
BICYCLE = (
    *(Part(DARK, [disc(hub, 0.36, radius, 20) for radius in (0.36, 0.29)]) for hub in (-0.5, 0.5)),
    *(Part("paint", limb(*tube)) for tube in TUBES), Part(DARK, [box(-0.3, 0.9, -0.1, 1), box(0.3, 1, 0.5, 1.1)]),
)
POST = Part("metal", box(-0.17, 0, 0.17, 2.4)), Part("metal", box(0.06, 0, 0.17, 2.4), 0.75)
LAMP = *POST, Part("metal", [box(-0.17, 2, 0.17, 5), box(0, 4.8, 1.8, 5)]), Part(WHITE, box(1, 4.6, 1.8, 4.8), 1, 255)
SIGNS = tuple((
    Part(rim, disc(0, 2.4, size, corners, turn)), Part(face, disc(0, 2.4, inner * size, corners, turn)),
    Part(mark, box(-0.09, 2.2, 0.09, 2.6)),
) for rim, face, mark, corners, turn, size, inner in (
    (RED, WHITE, DARK, 24, 0, 0.6, 0.76), (WHITE, BLUE, WHITE, 24, 0, 0.6, 0.8), (RED, WHITE, DARK, 3, 1 / 4, 0.8, 0.6),
    (RED, WHITE, WHITE, 3, 3 / 4, 0.8, 0.6), (WHITE, GOLD, GOLD, 4, 0, 0.7, 0.8), (WHITE, RED, WHITE, 8, 0, 0.66, 0.8),
))
LIGHTS = tuple((Part("case", box(-0.34, 1.7, 0.34, 3.4)), *(
    Part(bulb, disc(0, y, 0.23), 1 if y in lit else 0.25, 245 * (y in lit))
    for bulb, y in (("#f83228", 3.12), ("#ffb428", 2.55), ("#3ce278", 1.98))
)) for lit in ((3.12,), (3.12, 2.55), (2.55,), (1.98,)))
TREES = tuple((Part("bark", box(-0.2, 0, 0.2, 4)), *crown(4.3, wide, 2.2)) for wide in (1.6, 1.8, 2.0, 2.2, 2.4))
BUSHES = tuple(crown(0.8, wide, 0.9) for wide in (1.1, 1.3, 1.5))
CARS = tuple(vehicle(wide, tall, belt, 0.8) for wide, tall, belt in ((0.92, 1.5, 0.92), (0.9, 1.4, 0.88), (1, 2, 1.05)))
HOUSES = tuple(house(length, floors, pitch) for length in (10, 12, 15) for floors in (2, 3, 4) for pitch in (2, 2.7))
FENCES = tuple((
    Part(back, box(0, 0, 16, 1.8), 0.6), Part("wood", [box(x, 0, x + plank, 1.8) for x in np.arange(0, 16, 0.3)]),
    Part("wood", [box(0, 0.3, 16, 0.42), box(0, 1.5, 16, 1.62)], 0.8),
) for back, plank in (("leaf", 0.12), ("wood", 0.25)))

FIGURES = {
    "walker": Figure((("person", PEOPLE),), "walk", (-1.5, 2.8), (4.5, 8.5), (0.88, 1.1), (-15, 15)),
    "cyclist": Figure((("bicycle", (BICYCLE,)), ("rider", (RIDER,))), "road", (0, 3.2), (5, 10), (1, 1.1), (-25, 25)),
    "bicycle": Figure((("bicycle", (BICYCLE,)),), "walk", (0.2, 2.8), (5, 9), (1, 1.05), (-25, 25)),
    "bus": Figure((("bus", (vehicle(1.25, 3, 1.3, 0.97),)),), "road", (1.3, 2.2), (8, 20), (0.9, 1.1), (-4, 4), 9),
    "car": Figure((("car", CARS),), "road", (1.2, 3.2), (6, 22), (0.9, 1.1), (-4, 4), 4.2),
    "light": Figure((("pole", (POST,)), ("traffic light", LIGHTS)), "kerb", (0.3, 0.9), (6.5, 12)),
    "sign": Figure((("pole", (POST,)), ("traffic sign", SIGNS)), "kerb", (0.3, 1.2), (6, 11)),
    "lamp": Figure((("pole", (LAMP,)),), "kerb", (0.3, 0.8), (7, 15), (0.92, 1.2), mirrored=False),
    "tree": Figure((("vegetation", TREES),), "verge", (0.5, 1.5), (7, 40), (0.75, 1.2)),
    "bush": Figure((("vegetation", BUSHES),), "outer", (0.3, 2), (5, 22), (0.8, 1.4)),
    "fence": Figure((("fence", FENCES),), "outer", (0.1, 0.2), (2, 8), (0.8, 1.2), (90, 90), mirrored=False),
    "house": Figure((("building", HOUSES),), "outer", (0.6, 3.5), (1, 80), (0.8, 1.3), (90, 90), 8, False),
}
# fmt: on
