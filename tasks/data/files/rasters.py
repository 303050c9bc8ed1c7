"""Label maps drawn from the outlines of objects."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.files.masks import Masks
from tasks.data.files.shapes import Name, Shapes, ends
from tasks.data.files.texts import Texts


class PolygonMasks(Masks):
    """Label maps of polygons and run-length masks, drawn by pycocotools; later objects cover earlier ones.

    Args:
        names: of the classes.
        sizes: (N, 2) heights and widths of the images.
        owners: (A,) index of each object's image, in any order.
        labels: (A,) class numbers; 255 makes an object void, below all others of its image.
        shapes: their outlines.
        source: the file, or one for each image, for messages.
        background: class number of the pixels without an object; 255 for void.
        name: describes an object by its index, for messages.

    Raises:
        UserError: for a run-length mask of another size than its image.
    """

    def __init__(
        self,
        names: Sequence[str],
        sizes: NDArray[np.int64],
        owners: NDArray[np.int64],
        labels: NDArray[np.int64],
        shapes: Shapes,
        *,
        source: Path | Sequence[Path],
        background: int = VOID,
        name: Name = "annotation {}".format,
    ) -> None:
        sources = [source] if isinstance(source, Path) else source
        self.names, self.sizes, self.shapes, self.background = tuple(names), sizes, shapes, background
        self.sources, self.is_one = Texts([str(path) for path in sources]), isinstance(source, Path)
        self.labels = labels.astype(np.uint8)
        self.rows = np.lexsort((labels != VOID, owners))  # stable; the objects of an image lie together
        self.ends = ends(np.bincount(owners, minlength=len(sizes)))
        wrong = np.flatnonzero((shapes.sizes != sizes[owners]).any(1) & shapes.sizes.any(1))
        for place in wrong[:1]:
            (mask_height, mask_width), (height, width) = shapes.sizes[place], sizes[owners[place]]
            raise UserError(
                f"{self.path(owners[place])}: {name(int(place))} has a mask of {mask_width}×{mask_height} pixels, its "
                f"image has {width}×{height}"
            )

    def read(self, index: int) -> Pixels:
        height, width = self.size(index)
        mask = np.full((height, width), self.background, np.uint8, order="F")  # column by column, like run lengths
        for row in self.rows[self.ends[index] : self.ends[index + 1]].tolist():
            covered = self.draw(row, height, width)
            if covered is not None:
                np.copyto(mask, self.labels[row], where=covered)
        return np.ascontiguousarray(mask)

    def draw(self, row: int, height: int, width: int) -> NDArray[np.bool_] | None:
        """(H, W) the pixels of an object; None if it has no outline."""
        from pycocotools import mask as coco_mask

        if self.shapes.sizes[row].any():
            return np.asarray(coco_mask.decode(self.shapes.encoded(row)), np.bool_)
        rings = self.shapes.rings(row)
        if not rings:
            return None
        parts = coco_mask.frPyObjects(rings, height, width)
        return np.asarray(coco_mask.decode(parts[0] if len(parts) == 1 else coco_mask.merge(parts)), np.bool_)

    def size(self, index: int) -> tuple[int, int]:
        height, width = self.sizes[index].tolist()
        return height, width

    def path(self, index: int) -> Path:
        return Path(self.sources[0 if self.is_one else index])

    def read_from(self, index: int) -> list[Path]:  # noqa: ARG002 - the outlines are in memory
        return []

    def of(self, numbers: Sequence[int]) -> Self:
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__)
        chosen = [self.rows[self.ends[number] : self.ends[number + 1]] for number in numbers]
        part.rows = np.concatenate([*chosen, np.zeros(0, self.rows.dtype)])
        part.ends, part.sizes = ends([len(rows) for rows in chosen]), self.sizes[list(numbers)]
        if not self.is_one:
            part.sources = self.sources.of(numbers)
        return part
