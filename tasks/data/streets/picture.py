"""One street scene from first number to finished arrays."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.data.streets.arrange import arrange
from tasks.data.streets.buildings import skyline
from tasks.data.streets.canvas import Canvas
from tasks.data.streets.ground import ground, hood, sky
from tasks.data.streets.scene import HORIZON, plan
from tasks.data.streets.weather import develop


class Picture(NamedTuple):
    """A picture and its labels in the official forms."""

    image: NDArray[np.uint8]  # (height, width, 3) RGB
    labels: NDArray[np.uint8]  # (height, width) labelIds
    instances: NDArray[np.uint16]  # (height, width) labelId, or labelId * 1000 + n
    objects: list[dict[str, Any]]  # {"label", "polygon"}, back to front


def draw(kind: str, *, seed: tuple[int, ...], height: int, width: int) -> Picture:
    """Draw a scene of a kind (`write.KINDS`); everything follows from the seed."""
    rng = np.random.default_rng(seed)
    scene = plan(rng, kind, height, width)
    things = arrange(rng, scene)
    canvas = Canvas(scene.camera)
    sky(canvas, rng, scene)
    ground(canvas, rng, scene, things)
    if scene.light.sight >= HORIZON:
        skyline(canvas, rng, scene.light)
    for thing in things:
        thing.draw(canvas, rng, thing, scene.light)
    if rng.random() < 0.6:
        hood(canvas, rng)
    image = develop(canvas, rng, scene, things)
    return Picture(image, canvas.labels, canvas.instances, canvas.objects)
