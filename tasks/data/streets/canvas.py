"""The canvas: every stroke lands in the picture and in a mask alike, so labels are what was painted, to the pixel.

Colours are painted at twice the size and averaged down at the end; labels are sampled from the same strokes. The
picture's fourth channel says how much light of its own a pixel gives: lamps and lit windows survive the night by it.
"""

from collections import Counter
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tasks.data.streets.camera import NEAREST, Camera
from tasks.data.streets.colours import Colour


class Label(NamedTuple):
    """A row of the official Cityscapes label table."""

    name: str
    id: int
    instances: bool = False


EGO_VEHICLE, STATIC = Label("ego vehicle", 1), Label("static", 4)
ROAD, SIDEWALK, BUILDING, FENCE = Label("road", 7), Label("sidewalk", 8), Label("building", 11), Label("fence", 13)
POLE, TRAFFIC_LIGHT, TRAFFIC_SIGN = Label("pole", 17), Label("traffic light", 19), Label("traffic sign", 20)
VEGETATION, TERRAIN, SKY = Label("vegetation", 21), Label("terrain", 22), Label("sky", 23)
PERSON, RIDER, CAR = Label("person", 24, True), Label("rider", 25, True), Label("car", 26, True)
BUS, BICYCLE = Label("bus", 28, True), Label("bicycle", 33, True)

Box = tuple[float, float, float, float]
_SHIFT = 4  # cv2's sub-pixel bits
_NOWHERE: Box = (np.inf, np.inf, -np.inf, -np.inf)


class Canvas:
    """Strokes (`fill`, `discs`, `plane`) gather in a mask; `commit` turns the mask into one labelled object."""

    def __init__(self, camera: Camera) -> None:
        self.camera = camera
        height, width = camera.height, camera.width
        self.pixels = np.zeros((2 * height, 2 * width, 4), np.uint8)
        self.labels = np.zeros((height, width), np.uint8)
        self.instances = np.zeros((height, width), np.uint16)
        self.nearness = np.zeros((height, width), np.float32)  # 1 / metres
        self.objects: list[dict[str, Any]] = []
        self._mask = np.zeros((2 * height, 2 * width), np.uint8)
        self._counts: Counter[int] = Counter()
        self._painted = _NOWHERE

    def fill(self, points: ArrayLike, colour: Colour, lit: float = 0, *, facing: bool = False) -> None:
        """A polygon through (N, 3) world points; with `facing`, only where its corners run clockwise as seen."""
        corners = self.camera.project(points) * 2 - 0.5
        if facing:
            (x, y), (next_x, next_y) = corners.T, np.roll(corners, -1, axis=0).T
            if np.sum(x * next_y - y * next_x) <= 0:
                return
        self._polygon(corners, (*colour, lit))

    def discs(self, points: ArrayLike, radii: ArrayLike, colours: list[Colour], lit: float = 0) -> None:
        """Discs that face the camera: (N, 3) centres, N radii in metres."""
        points = np.asarray(points, dtype=np.float64)
        centres = self.camera.project(points) * 2 - 0.5
        sizes = np.asarray(radii) * 2 * self.camera.focal / np.maximum(points[:, 2], NEAREST)
        self._grow(np.concatenate([centres - sizes[:, None], centres + sizes[:, None]]))
        for centre, size, colour in zip(np.round(centres * 16).astype(int).tolist(), sizes, colours, strict=True):
            radius = max(int(size * 16), 8)
            cv2.circle(self.pixels, centre, radius, (*colour, lit), cv2.FILLED, cv2.LINE_8, _SHIFT)
            cv2.circle(self._mask, centre, radius, (255,), cv2.FILLED, cv2.LINE_8, _SHIFT)

    def plane(self, texture: NDArray[np.uint8], corners: ArrayLike) -> None:
        """Hang a (height, width, 4) texture between world points, from the top left corner clockwise."""
        target = self.camera.project(corners) * 2 - 0.5
        left, top, right, bottom = self._inside((*target.min(axis=0), *target.max(axis=0)))
        size = (right - left, bottom - top)
        if min(size) <= 0:
            return
        height, width = texture.shape[:2]
        source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
        matrix = cv2.getPerspectiveTransform(source, (target - (left, top)).astype(np.float32))
        hung = cv2.warpPerspective(texture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cover = np.zeros(size[::-1], np.uint8)
        cv2.fillConvexPoly(cover, _fixed(target - (left, top)), (255,), cv2.LINE_8, _SHIFT)
        region = np.s_[top:bottom, left:right]
        cv2.copyTo(hung, cover, self.pixels[region])
        self._mask[region] |= cover
        self._grow(target)

    def flat(self, corners: ArrayLike, colour: Colour, lit: float = 0) -> None:
        """A polygon through (N, 2) pixel positions of the finished picture."""
        self._polygon(np.asarray(corners, dtype=np.float64) * 2 - 0.5, (*colour, lit))

    def mark(self, mask: NDArray[np.bool_], top: int) -> None:
        """Count pixels as painted that the caller has painted: a mask of full width, from row `top` down."""
        self._mask[top:][mask] = 255
        self._painted = (0, top, *self._mask.shape[::-1])

    def commit(self, label: Label, nearness: float | NDArray[np.float32]) -> None:
        """End an object: write its label, its instance and its nearness (1 / metres: a number, or one per pixel).

        An outline is filled, as the official annotators do (spokes of a wheel, gaps in a crown).
        """
        left, top, right, bottom = self._inside(self._painted)
        self._painted = _NOWHERE
        if right <= left or bottom <= top:
            return
        painted = self._mask[top:bottom, left:right]
        mask = painted[::2, ::2].copy()
        painted[:] = 0
        corner = (left // 2, top // 2)
        outlines = [
            line for line in cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0] if len(line) > 2
        ]
        if label.instances:  # one outline is one instance in the official format
            outlines = sorted(outlines, key=cv2.contourArea)[-1:]
        if not outlines:
            return
        cv2.drawContours(mask, outlines, -1, (255,), cv2.FILLED)
        self._write(label, mask > 0, corner, nearness)
        for outline in outlines:
            polygon = cv2.approxPolyDP(outline, 0.5, True)[:, 0] + corner
            self.objects.append({"label": label.name, "polygon": polygon.tolist()})

    def _write(
        self, label: Label, mask: NDArray[np.bool_], corner: tuple[int, int], nearness: float | NDArray[np.float32]
    ) -> None:
        left, top = corner
        region = np.s_[top : top + mask.shape[0], left : left + mask.shape[1]]
        value = label.id
        if label.instances:
            value = label.id * 1000 + self._counts[label.id]
            self._counts[label.id] += 1
        self.labels[region][mask] = label.id
        self.instances[region][mask] = value
        self.nearness[region][mask] = nearness if isinstance(nearness, float) else nearness[region][mask]

    def _polygon(self, corners: NDArray[np.float64], colour: tuple[float, ...]) -> None:
        outline = [_fixed(corners)]
        cv2.fillPoly(self.pixels, outline, colour, cv2.LINE_8, _SHIFT)
        cv2.fillPoly(self._mask, outline, (255,), cv2.LINE_8, _SHIFT)
        self._grow(corners)

    def _grow(self, points: NDArray[np.float64]) -> None:
        """The box of what this object has painted so far takes in the points."""
        left, top, right, bottom = self._painted
        (low_x, low_y), (high_x, high_y) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
        self._painted = (min(left, low_x), min(top, low_y), max(right, high_x), max(bottom, high_y))

    def _inside(self, box: Box) -> tuple[int, int, int, int]:
        """The box with a margin for rounding, cut at the canvas's edges and set on even pixels."""
        rows, columns = self._mask.shape
        left, top = (
            int(min(max(edge - 2, 0), limit)) // 2 * 2 for edge, limit in zip(box[:2], (columns, rows), strict=True)
        )
        right, bottom = (
            int(min(max(edge + 3, 0), limit)) // 2 * 2 for edge, limit in zip(box[2:], (columns, rows), strict=True)
        )
        return left, top, right, bottom


def _fixed(corners: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.rint(corners * (1 << _SHIFT)).astype(np.int32)
