"""Puts things into a street: houses and fences along it, traffic on it, people and poles beside it."""

from collections.abc import Iterator

import numpy as np

from tasks.data.streets import buildings, furniture, nature, people, vehicles
from tasks.data.streets.scene import Painter, Scene, Side, Thing

_OVERLAP = 0.3  # of the smaller one's box; more, and the later comer stays away
_STREET_WALLS: dict[Painter, int] = {
    buildings.building: 0,
    nature.bush: 1,
    buildings.fence: 2,
}  # drawn first, in this order


def arrange(rng: np.random.Generator, scene: Scene) -> list[Thing]:
    """All things of a scene, in painting order: what lies outside the pavements first, then far to near."""
    things = [thing for side in scene.sides for thing in _walls(rng, scene, side)]
    boxes: list[np.ndarray] = []
    for thing in _traffic(rng, scene):
        box = _box(scene, thing)
        if box is not None and all(_shared(box, other) < _OVERLAP for other in boxes):
            boxes.append(box)
            things.append(thing)
    return sorted(things, key=lambda thing: (_STREET_WALLS.get(thing.draw, 3), -thing.z))


def _walls(rng: np.random.Generator, scene: Scene, side: Side) -> Iterator[Thing]:
    at = scene.middle
    z = rng.uniform(-4, 6)
    low = rng.uniform(5.5, 10)  # a street of low or of high houses
    while z < min(scene.light.sight, 70):
        length, depth = rng.uniform(8, 15), rng.uniform(7, 10)
        x = at + side.sign * (side.front + depth / 2)
        yield Thing(buildings.building, x, z + length / 2, depth, low * rng.uniform(0.9, 1.7), length)
        z += length + (rng.uniform(2, 6) if rng.random() < 0.4 else 0.0)
    for z in rng.uniform(5, 22, 4):
        x = at + side.sign * rng.uniform(side.outer + 0.3, side.front + 0.4)
        yield Thing(nature.bush, x, z, rng.uniform(1.8, 3.2), rng.uniform(1.3, 2.4))
    if rng.random() < 0.8:
        near, length = rng.uniform(2, 8), rng.uniform(12, 22)
        x = at + side.sign * (side.outer + 0.15)
        yield Thing(buildings.fence, x, near + length / 2, 0.1, rng.uniform(1.5, 2.3), length)


def _traffic(rng: np.random.Generator, scene: Scene) -> Iterator[Thing]:
    """Candidates, the ones that matter most first."""
    kerb, at = scene.sides[0].kerb, scene.middle

    def sign() -> int:
        return 1 if rng.random() < 0.5 else -1

    if rng.random() < 0.6:
        towards = sign()
        lane = at - towards * kerb * 0.5
        turn = 90.0 + 90.0 * towards  # we drive on the right
        length = rng.uniform(8, 10)
        yield Thing(vehicles.bus, lane, rng.uniform(8, 16) + length / 2, 2.5, rng.uniform(2.8, 3.2), length, turn)
    yield _cyclist(rng, scene)
    yield _walker(rng, scene, sign())
    for _ in range(2):
        x = at + sign() * (kerb + rng.uniform(0.3, 0.9))
        yield Thing(furniture.traffic_light, x, rng.uniform(6.5, 12), rng.uniform(0.6, 0.75), rng.uniform(2.9, 3.7))
    for _ in range(4):
        x = at + sign() * (kerb + rng.uniform(0.3, 1.2))
        yield Thing(furniture.sign, x, rng.uniform(6, 11), rng.uniform(1.0, 1.3), rng.uniform(2.4, 3.2))
    for _ in range(4):
        yield _car(rng, scene, sign())
    yield _cyclist(rng, scene)
    for _ in range(4):
        yield _walker(rng, scene, sign())
    for _ in range(5):
        yield _car(rng, scene, sign())
    x, height = at + rng.uniform(-1, 1) * kerb, rng.uniform(1.6, 1.95)
    yield Thing(people.person, x, rng.uniform(5, 9), 0.7, height, turn=90.0 * sign())
    for _ in range(2):
        side = scene.sides[int(rng.integers(2))]
        x, turn = at + side.sign * (side.outer - 0.5), rng.uniform(65, 115)
        yield Thing(people.bicycle, x, rng.uniform(5, 9), 1.7, 1.85, turn=turn)
    for _ in range(3):
        x = at + sign() * (kerb + rng.uniform(0.3, 0.8))
        yield Thing(furniture.lamp, x, rng.uniform(7, 15), 0.4, rng.uniform(4.6, 6.2))
    if rng.random() < 0.5:
        side = scene.sides[int(rng.integers(2))]
        yield Thing(furniture.bin_, at + side.sign * side.walk[1], rng.uniform(6, 12), 0.6, rng.uniform(0.9, 1.4))
    for side in scene.sides:
        for z in np.arange(rng.uniform(7, 12), 45, rng.uniform(7, 12)):
            x, height = at + side.sign * sum(side.verge) / 2, rng.uniform(5, 8)
            yield Thing(nature.tree, x, z, height * rng.uniform(0.55, 0.7), height)


def _cyclist(rng: np.random.Generator, scene: Scene) -> Thing:
    x = scene.middle + rng.uniform(-0.9, 0.9) * scene.sides[0].kerb
    turn = rng.choice([-90, 90]) + rng.uniform(-20, 20)  # seen from the side; from behind too little would show
    return Thing(people.cyclist, x, rng.uniform(5, 9), 1.7, rng.uniform(1.75, 1.95), turn=turn)


def _walker(rng: np.random.Generator, scene: Scene, ahead: int) -> Thing:
    side = scene.sides[int(rng.integers(2))]
    x = scene.middle + side.sign * rng.uniform(side.walk[0] + 0.2, side.walk[1])
    height, turn = rng.uniform(1.55, 1.95), 90 * ahead + rng.uniform(-15, 15)
    return Thing(people.person, x, rng.uniform(4.5, 8.5), 0.7, height, turn=turn)


def _car(rng: np.random.Generator, scene: Scene, sign: int) -> Thing:
    kerb, at = scene.sides[0].kerb, scene.middle
    height = rng.uniform(1.8, 2.1) if rng.random() < 0.25 else rng.uniform(1.4, 1.6)
    length, width = rng.uniform(3.9, 4.6), rng.uniform(1.75, 1.95)
    chance = rng.random()
    if chance < 0.5:  # parked at the kerb
        x, z, turn = at + sign * (kerb - 1.05), rng.uniform(7, 18), 0.0 if sign > 0 or rng.random() < 0.3 else 180.0
    elif chance < 0.85:  # on its way
        x, z, turn = at + sign * rng.uniform(1.3, 2.0), rng.uniform(8.5, 20), 0.0 if sign > 0 else 180.0
    else:  # turning across
        x, z, turn = at + rng.uniform(-0.7, 0.7) * kerb, rng.uniform(8, 15), 90.0 * sign + rng.uniform(-25, 25)
    return Thing(vehicles.car, x, z, width, height, length, turn)


def _box(scene: Scene, thing: Thing) -> np.ndarray | None:
    """A thing's box in the picture (x0, y0, x1, y1), cut at the border; None if most of it lies outside."""
    camera = scene.camera
    z = thing.z - thing.length / 2 * abs(np.cos(np.radians(thing.turn)))
    low = thing.height * 0.3 if thing.draw is nature.tree else 0.0
    half = max(thing.width, thing.length * abs(np.sin(np.radians(thing.turn)))) / 2
    corners = camera.project([(thing.x - half, thing.height, z), (thing.x + half, low, z)])
    box = np.concatenate([corners[0], corners[1]])
    cut = np.clip(box, 0, [camera.width, camera.height] * 2)
    return cut if _area(cut) > 0.55 * _area(box) else None


def _area(box: np.ndarray) -> float:
    return float(max(box[2] - box[0], 0) * max(box[3] - box[1], 0))


def _shared(one: np.ndarray, other: np.ndarray) -> float:
    """The overlap as a share of the smaller box."""
    common = np.concatenate([np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])])
    return _area(common) / max(min(_area(one), _area(other)), 1e-6)
