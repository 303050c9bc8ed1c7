"""Outlines of objects, polygons or run-length masks, in a few arrays that worker processes share without copying."""

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.coco_boxes import LONGEST, unpack_runs
from tasks.data.files.json_rows import as_number

Integers = NDArray[np.int64]
FARTHEST = 1e6  # pixels from the image's corner; a polygon's cost is its length
Name = Callable[[int], str]


class Shapes(NamedTuple):
    """A outlines: of each either polygons, or a run-length mask, or neither.

    Attributes:
        values: (V,) x, y, x, y, … of all polygons, in pixels.
        ring_ends: (R + 1,) where each polygon begins in `values`; the last is V.
        shape_ends: (A + 1,) index of each outline's first polygon; the last is R.
        runs: (B,) uint8, the compressed run-length masks of pycocotools.
        run_ends: (A + 1,) where each outline's mask begins in `runs`; the last is B.
        sizes: (A, 2) height and width of the run-length masks; 0 for other outlines.
    """

    values: NDArray[np.float64]
    ring_ends: Integers
    shape_ends: Integers
    runs: NDArray[np.uint8]
    run_ends: Integers
    sizes: Integers

    @classmethod
    def of(cls, segments: Sequence[Any], path: Path, name: Name = "annotation {}".format) -> "Shapes":
        """Pack the outlines of COCO's annotations.

        Args:
            segments: of each object polygons [[x, y, x, y, …], …], one polygon [x, y, …], a run-length mask {size,
                counts} with counts as a list or as pycocotools' text, or an empty list or None for nothing. Polygons of
                less than three points cover nothing and are left out.
            path: the file, for messages.
            name: describes an object by its index, for messages.

        Raises:
            UserError: for anything else: an odd number of values, values that are not finite or nowhere near the image,
                runs that do not fill their size.
        """
        rings = [rings_of(segment, place, path, name) for place, segment in enumerate(segments)]
        masks = [
            mask_of(segment, place, path, name) if isinstance(segment, dict) else (b"", 0, 0)
            for place, segment in enumerate(segments)
        ]
        flat = list(chain.from_iterable(rings))
        shapes = cls(
            values_of(flat, rings, path, name),
            ends(list(map(len, flat))),
            ends(list(map(len, rings))),
            np.frombuffer(b"".join(counts for counts, _, _ in masks), np.uint8),
            ends([len(counts) for counts, _, _ in masks]),
            np.array([size for _, *size in masks], np.int64).reshape(-1, 2),
        )
        far = np.flatnonzero(~(np.abs(shapes.values) <= FARTHEST))  # not a number neither
        for value in far[:1]:
            ring = np.searchsorted(shapes.ring_ends, value, side="right") - 1
            place = int(np.searchsorted(shapes.shape_ends, ring, side="right") - 1)
            found = shapes.values[value]
            what = "nowhere near the image" if np.isfinite(found) else "not finite"
            raise UserError(f"{path}: {name(place)} has a polygon with the value {found:g}, which is {what}")
        return shapes

    @classmethod
    def of_rings(cls, values: NDArray[np.float64], lengths: Sequence[int] | Integers) -> "Shapes":
        """One polygon for each object: their values (V,) x, y, x, y, … and the (A,) number of values of each."""
        rings = ends(lengths)
        count = len(rings) - 1
        none = np.zeros(count + 1, np.int64)
        return cls(values, rings, np.arange(count + 1), np.zeros(0, np.uint8), none, np.zeros((count, 2), np.int64))

    def empty(self) -> NDArray[np.bool_]:
        """(A,) which objects have no outline."""
        return np.asarray((np.diff(self.shape_ends) == 0) & (np.diff(self.run_ends) == 0))

    def boxes(self) -> NDArray[np.float64]:
        """(A, 4) x, y, width, height around each outline; NaN for an object without one."""
        boxes = np.full((len(self.shape_ends) - 1, 4), np.nan)
        firsts = self.ring_ends[self.shape_ends] // 2  # of each outline among all points
        drawn = np.flatnonzero(np.diff(firsts))
        if len(drawn):
            points = self.values.reshape(-1, 2)
            low = np.minimum.reduceat(points, firsts[drawn])
            boxes[drawn] = np.concatenate((low, np.maximum.reduceat(points, firsts[drawn]) - low), 1)
        packed = np.flatnonzero(np.diff(self.run_ends))
        if len(packed):
            from pycocotools import mask as coco_mask

            found = coco_mask.toBbox([self.encoded(int(place)) for place in packed])
            boxes[packed] = np.where(found[:, 2:].all(1, keepdims=True), found, np.nan)
        return boxes

    def encoded(self, place: int) -> dict[str, Any]:
        """The run-length mask of an object, as pycocotools takes it."""
        counts = self.runs[self.run_ends[place] : self.run_ends[place + 1]].tobytes()
        return {"size": self.sizes[place].tolist(), "counts": counts}

    def rings(self, place: int) -> list[NDArray[np.float64]]:
        """The polygons of an object, each (values,)."""
        first, last = self.shape_ends[place : place + 2]
        return [self.values[self.ring_ends[ring] : self.ring_ends[ring + 1]] for ring in range(first, last)]


def ends(lengths: Sequence[int] | Integers) -> Integers:
    """Where parts of these lengths begin in a sequence of them all, and where the last ends."""
    return np.concatenate(([0], np.cumsum(np.asarray(lengths, np.int64)))).astype(np.int64)


def rings_of(segment: Any, place: int, path: Path, name: Name) -> list[Sequence[Any]]:
    """The polygons of an object that cover anything."""
    if segment is None or isinstance(segment, dict):
        return []
    if not isinstance(segment, list):
        raise UserError(f"{path}: {name(place)} has segmentation {short(segment)}, which is no list and no mask")
    rings = segment if not segment or isinstance(segment[0], list) else [segment]
    for ring in rings:
        if not isinstance(ring, list):
            raise UserError(f"{path}: {name(place)} has a polygon {short(ring)}, which is no list of numbers")
        if len(ring) % 2:
            raise UserError(
                f"{path}: {name(place)} has a polygon of {len(ring)} values: x, y, x, y, … are even in number"
            )
    return [ring for ring in rings if len(ring) >= 6]


def values_of(
    flat: Sequence[Sequence[Any]], rings: Sequence[Sequence[Any]], path: Path, name: Name
) -> NDArray[np.float64]:
    """(V,) the values of all polygons; numbers may be written as text.

    Args:
        flat: the polygons.
        rings: the same by object.
    """
    total = sum(map(len, flat))
    try:
        return np.fromiter(chain.from_iterable(flat), np.float64, total)
    except (TypeError, ValueError, OverflowError):
        pass
    numbers: list[float] = []
    for place, some in enumerate(rings):
        for value in chain.from_iterable(some):
            number = as_number(value)
            if number is None:
                raise UserError(f"{path}: {name(place)} has a polygon with {short(value)}, which is no number")
            numbers.append(number)
    return np.array(numbers, np.float64)


def mask_of(mask: dict[str, Any], place: int, path: Path, name: Name) -> tuple[bytes, int, int]:
    """A run-length mask's compressed runs, height and width.

    pycocotools writes outside its memory if runs exceed the size.
    """
    size, counts = mask.get("size"), mask.get("counts")
    if not (
        isinstance(size, list) and len(size) == 2 and all(type(side) is int and 0 < side < LONGEST for side in size)
    ):
        raise UserError(f"{path}: {name(place)} has a mask of size {short(size)}, which is not [height, width]")
    runs = unpack_runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(type(run) is int and 0 <= run < LONGEST for run in runs):
        raise UserError(f"{path}: {name(place)} has a mask with counts {short(counts)}, which are no runs of pixels")
    if sum(runs) != size[0] * size[1]:
        raise UserError(
            f"{path}: {name(place)} has a mask with runs of {sum(runs):,} pixels, but its size {size[1]}×{size[0]} has "
            f"{size[0] * size[1]:,}"
        )
    if isinstance(counts, str):
        return counts.encode(), size[0], size[1]
    from pycocotools import mask as coco_mask

    return coco_mask.frPyObjects(mask, *size)["counts"], size[0], size[1]
