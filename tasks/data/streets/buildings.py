"""Houses, fences and the skyline: flat textures hung into the street."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.data.streets.canvas import BUILDING, FENCE, VEGETATION, Canvas, Colour
from tasks.data.streets.colours import darker, jitter, pick
from tasks.data.streets.scene import HORIZON, Light, Thing

WALLS = (
    (196, 184, 160), (172, 112, 88), (150, 148, 146), (214, 204, 190), (188, 150, 104), (126, 134, 146),
    (160, 90, 70), (202, 178, 128), (118, 112, 106), (176, 190, 186), (148, 166, 130), (206, 160, 150),
)  # fmt: skip
ROOFS = ((134, 70, 54), (84, 80, 84), (108, 62, 48), (66, 68, 76))
WOODS = ((120, 86, 58), (150, 148, 142), (92, 96, 90), (168, 140, 100), (70, 92, 72))
SNOW = (232, 236, 242)
LAMPLIGHT = ((255, 214, 140), (255, 196, 110), (240, 232, 200), (255, 224, 170))
DETAIL = 20  # texture pixels per metre


def building(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """A box along the street: facade, the end wall that faces the camera, and a roof."""
    out = 1 if thing.x > 0 else -1
    face, back = thing.x - out * thing.width / 2, thing.x + out * thing.width / 2
    near, far, top = thing.z - thing.length / 2, thing.z + thing.length / 2, thing.height
    wall = jitter(rng, pick(rng, WALLS), 14)
    sunny = 1.0 + (0.14 if light.sun[0] * out > 0 else -0.18) * (light.shadow > 0)
    shop = rng.random() < 0.4
    far_off = near > 32
    front = (
        _far_facade(rng, thing.length, top, wall, light)
        if far_off
        else _facade(rng, thing.length, top, wall, light, shop)
    )
    if rng.random() < 0.6:
        _roof(canvas, rng, (face, back, near, far, top), light)
    if near < 25:
        end = _facade(rng, thing.width, top, wall, light, False)
        canvas.plane(_shaded(end, 0.82), _upright((face, near), (back, near), top, flip=out < 0))
    else:
        canvas.fill([(face, top, near), (back, top, near), (back, 0, near), (face, 0, near)], darker(wall, 0.8))
    canvas.plane(_shaded(front, sunny), _upright((face, near), (face, far), top, flip=out > 0))
    canvas.commit(BUILDING, _wall_nearness(canvas, face, near, far))


def fence(canvas: Canvas, rng: np.random.Generator, thing: Thing, light: Light) -> None:
    """Planks or bars along the street, in fields between posts."""
    near, far = thing.z - thing.length / 2, thing.z + thing.length / 2
    size = (int(thing.height * 40), int(thing.length * 40))
    wood = jitter(rng, pick(rng, WOODS), 12)
    hedge = rng.random() < 0.5  # bars before a hedge, or closed planks
    texture = np.zeros((*size, 4), np.uint8)
    texture[..., :3] = darker(jitter(rng, (70, 92, 56), 12), 0.7) if hedge else darker(wood, 0.6)
    texture[..., :3] = np.clip(texture[..., :3] + rng.normal(0, 14, (*size, 1)), 0, 255)
    step, plank = (9, 4) if hedge else (10, 9)
    for left in range(0, size[1], step):
        texture[:, left : left + plank, :3] = jitter(rng, wood, 10)
    for rail in (int(size[0] * 0.15), int(size[0] * 0.75)):
        texture[rail : rail + 5, :, :3] = darker(wood, 0.85)
    for left in range(0, size[1], 80):
        texture[:, left : left + 9, :3] = darker(wood, 0.75)
    if light.snow:
        texture[:5, :, :3] = SNOW
    canvas.plane(texture, _upright((thing.x, near), (thing.x, far), thing.height, flip=thing.x > 0))
    canvas.commit(FENCE, _wall_nearness(canvas, thing.x, near, far))


def skyline(canvas: Canvas, rng: np.random.Generator, light: Light) -> None:
    """Far houses and tree tops that close the street."""
    half = HORIZON * canvas.camera.width / canvas.camera.focal
    for x in np.arange(-half, half, 9.0):
        top, wall = rng.uniform(6, 20), jitter(rng, pick(rng, WALLS), 10)
        texture = _far_facade(rng, 9.0, top, darker(wall, 0.9), light)
        canvas.plane(texture, _upright((x, HORIZON), (x + rng.uniform(6, 10), HORIZON), top, flip=False))
    canvas.commit(BUILDING, 1 / HORIZON)
    count = int(half)
    x, y = rng.uniform(-half, half, count), rng.uniform(0, 4.5, count)
    greens = [jitter(rng, SNOW if light.snow and rng.random() < 0.3 else (74, 92, 60), 14) for _ in range(count)]
    canvas.discs(np.stack([x, y, np.full(count, HORIZON - 4)], axis=1), rng.uniform(1.2, 2.8, count), greens)
    canvas.commit(VEGETATION, 1 / HORIZON)


def _facade(
    rng: np.random.Generator, length: float, height: float, wall: Colour, light: Light, shop: bool
) -> NDArray[np.uint8]:
    """A wall with storeys of windows, perhaps a shop below: (height, length, 4) texture."""
    rows, columns = max(int(height * DETAIL), 8), max(int(length * DETAIL), 8)
    image = np.empty((rows, columns, 4), np.uint8)
    stains = cv2.resize(rng.normal(0, 9, (4, 6)).astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
    image[..., :3] = np.clip(np.array(wall) + stains[..., None], 0, 255)
    image[..., 3] = 0
    if rng.random() < 0.4:
        image[::5, :, :3] = darker(wall, 0.88)  # courses of brick
    storey, pitch = int(rng.uniform(2.7, 3.4) * DETAIL), int(rng.uniform(1.9, 3.0) * DETAIL)
    window = (int(rng.uniform(0.9, 1.4) * DETAIL), int(rng.uniform(1.3, 1.9) * DETAIL))
    frame = pick(rng, ((230, 228, 220), (90, 66, 50), (60, 62, 66), darker(wall, 0.7)))
    shutters = pick(rng, (None, None, (70, 98, 84), (110, 62, 52), (84, 96, 120)))
    bays = max(columns // pitch, 1)
    margin = (columns - bays * pitch + pitch - window[0]) // 2
    for floor, bottom in enumerate(range(rows, storey - 1, -storey)):
        if floor:
            cv2.line(image, (0, bottom), (columns, bottom), (*darker(wall, 0.8), 0), 2)
        for bay in range(bays):
            left, top = margin + bay * pitch, bottom - storey // 4 - window[1]
            if floor == 0 and shop:
                _pane(image, rng, light, (left - pitch // 5, bottom - storey + 12, pitch - 8, storey - 18), frame)
            elif floor == 0 and bay == bays // 2:
                _door(image, rng, (left, bottom, window[0]))
            else:
                if shutters is not None:
                    wing = window[0] // 3
                    box = (left - wing, top), (left + window[0] + wing, top + window[1])
                    cv2.rectangle(image, *box, (*shutters, 0), cv2.FILLED)
                _pane(image, rng, light, (left, top, *window), frame)
    if shop:
        cv2.rectangle(image, (0, rows - storey), (columns, rows - storey + 11), (*_bright(rng), 60), cv2.FILLED)
    cv2.rectangle(image, (0, 0), (columns, 5), (*(SNOW if light.snow else darker(wall, 0.7)), 0), cv2.FILLED)
    return image


def _far_facade(
    rng: np.random.Generator, length: float, height: float, wall: Colour, light: Light
) -> NDArray[np.uint8]:
    """The same from afar, where a window is no more than a dark or a lit speck."""
    rows, columns = max(int(height / 3), 1), max(int(length / 2.5), 1)
    image = np.empty((6 * rows, 6 * columns, 4), np.uint8)
    image[:] = (*wall, 0)
    specks = np.empty((rows, columns, 4))
    specks[:] = (*darker(wall, 0.55), 0)
    lit = rng.random((rows, columns)) < light.windows
    specks[lit] = (*pick(rng, LAMPLIGHT), 190)
    for row in (2, 3, 4):
        for column in (2, 3):
            image[row::6, column::6] = specks
    return image


def _pane(
    image: NDArray[np.uint8], rng: np.random.Generator, light: Light, box: tuple[int, int, int, int], frame: Colour
) -> None:
    left, top, width, height = box
    low, high = (left, top), (left + width, top + height)
    if rng.random() < light.windows:
        glass = (*jitter(rng, pick(rng, LAMPLIGHT), 12), rng.uniform(130, 240))
    else:
        glass = (*jitter(rng, (58, 70, 84), 14), 0.0)
    cv2.rectangle(image, (left - 2, top - 2), (high[0] + 2, high[1] + 2), (*frame, 0), cv2.FILLED)
    cv2.rectangle(image, low, high, glass, cv2.FILLED)
    if not glass[3]:  # the sky mirrors in the upper panes
        cv2.rectangle(image, low, (high[0], top + height // 3), (*jitter(rng, (112, 126, 140), 16), 0), cv2.FILLED)
    middle = left + width // 2
    cv2.line(image, (middle, top), (middle, high[1]), (*frame, 0), 1)
    cv2.line(image, (left - 3, high[1] + 3), (high[0] + 3, high[1] + 3), (*darker(frame, 0.8), 0), 2)


def _door(image: NDArray[np.uint8], rng: np.random.Generator, place: tuple[int, int, int]) -> None:
    left, bottom, width = place
    top = bottom - int(2.2 * DETAIL)
    cv2.rectangle(image, (left - 2, top - 3), (left + width + 2, bottom), (200, 196, 188, 0), cv2.FILLED)
    cv2.rectangle(image, (left, top), (left + width, bottom), (*darker(_bright(rng), 0.6), 0), cv2.FILLED)
    cv2.rectangle(image, (left + 3, top + 4), (left + width - 3, top + 14), (80, 92, 104, 40), cv2.FILLED)


def _bright(rng: np.random.Generator) -> Colour:
    return jitter(rng, pick(rng, ((160, 50, 44), (46, 84, 130), (40, 104, 76), (180, 136, 52), (120, 70, 110))), 18)


def _roof(
    canvas: Canvas, rng: np.random.Generator, box: tuple[float, float, float, float, float], light: Light
) -> None:
    """A saddle roof whose ridge runs along the street."""
    face, back, near, far, top = box
    ridge, peak = (face + back) / 2, top + rng.uniform(1.5, 3.2)
    tiles = jitter(rng, SNOW if light.snow else pick(rng, ROOFS), 8)
    canvas.fill([(face, top, near), (ridge, peak, near), (ridge, peak, far), (face, top, far)], tiles)
    canvas.fill([(face, top, near), (ridge, peak, near), (back, top, near)], darker(tiles, 0.75))


def _upright(start: tuple[float, float], stop: tuple[float, float], top: float, *, flip: bool) -> list:
    """A standing rectangle's corners from above (x, z) ends; `flip` where the far end stands left in the picture."""
    (x, z), (end_x, end_z) = (stop, start) if flip else (start, stop)
    return [(x, top, z), (end_x, top, end_z), (end_x, 0, end_z), (x, 0, z)]


def _shaded(texture: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    return cv2.convertScaleAbs(texture, alpha=factor).astype(np.uint8, copy=False)


def _wall_nearness(canvas: Canvas, x: float, near: float, far: float) -> NDArray[np.float32]:
    """1 / z of a wall along the street: x is fixed, so it grows with the distance from the vanishing point."""
    camera = canvas.camera
    columns = np.arange(camera.width) - camera.centre - camera.focal * camera.bend * (near + far) / 2
    nearness = np.clip(columns / (camera.focal * x), 1 / far, 1 / max(near, 1.0)).astype(np.float32)
    return np.broadcast_to(nearness, (camera.height, camera.width))
