"""A pinhole camera above a flat, bending road: where a point of the world, in metres, lands in the picture.

World axes: x to the right of the camera's path, y up from the ground, z ahead along the path.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

NEAREST = 0.7  # metres; what is nearer is drawn as if it stood here, always outside the picture


@dataclass(frozen=True)
class Camera:
    """Sizes and the vanishing point (`centre`, `horizon`) are in pixels of the finished picture, `eye` in metres."""

    width: int
    height: int
    focal: float
    centre: float
    horizon: float
    eye: float
    bend: float  # how far the road has moved sideways after z metres: bend * z^2

    def scale(self, z: float) -> float:
        """Pixels per metre at a distance of z metres."""
        return self.focal / max(z, NEAREST)

    def project(self, points: ArrayLike) -> NDArray[np.float64]:
        """(N, 3) world points to (N, 2) pixel positions."""
        x, y, z = np.asarray(points, dtype=np.float64).T
        z = np.maximum(z, NEAREST)
        pixels = np.empty((len(z), 2))
        pixels[:, 0] = self.centre + self.focal * (x / z + self.bend * z)
        pixels[:, 1] = self.horizon + self.focal * (self.eye - y) / z
        return pixels

    def ground(self, columns: NDArray, rows: NDArray) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """World x (rows, columns) and z (rows, 1) of the ground seen at pixel positions, all below the horizon."""
        z = (self.focal * self.eye / (rows - self.horizon))[:, None].astype(np.float32)
        sight = ((columns - self.centre) / self.focal)[None, :].astype(np.float32)
        return (sight - np.float32(self.bend) * z) * z, z
