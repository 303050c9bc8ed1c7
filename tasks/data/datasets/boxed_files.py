"""Image files with boxes, as in detection data sets."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import Files, View, decode
from tasks.data.files.images import look, opened_size, read_rgb
from tasks.data.files.opening import shown

SIDEWAYS = 5  # EXIF orientations from here on swap height and width


def is_upright(said: tuple[int, int], stored: tuple[int, int], turn: int) -> bool:
    """Whether an annotated (height, width) is that of the upright photo and not of the stored one."""
    return said != stored and turn >= SIDEWAYS and said == stored[::-1]


class BoxedFiles(Files):
    """Image files in one folder, each with any number of boxes.

    Args:
        folder, files: see Files.
        boxes: of all images.
        source: the file of the boxes, for messages; one image's file if there are several.
    """

    def __init__(self, folder: Path, files: Sequence[str], boxes: PackedBoxes, source: Path) -> None:
        super().__init__(folder, files)
        self.boxes, self.source = boxes, source

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image, as annotated."""
        height, width = self.boxes.sizes[index].tolist()
        return height, width

    def annotations(self, index: int) -> Annotations:
        """The boxes as in the file, to score against."""
        return self.boxes.annotations(index)

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB as stored, or upright if only that matches the annotated size; `bboxes` (K, 5)
        float32, xyxy and class number.

        Args:
            view: makes the image from its path; the boxes stay those of the file.

        Raises:
            UserError: for a file that cannot be decoded, or whose size differs from the annotated one.
        """
        path, said = self.path(index), self.size(index)
        if view is None:
            image = decode(path, None, self.white)
            if image.shape[:2] != said and image.shape[1::-1] == said:
                image = read_rgb(path, upright=True, white=self.white)
            if image.shape[:2] != said:
                raise self.wrong_size(index, image.shape[0], image.shape[1])
        elif said[0] != said[1] and is_upright(said, *opened_size(path)):
            image = view(read_rgb(path, upright=True, white=self.white))
        else:
            image = decode(path, view, self.white)
        return {"image": image, "bboxes": self.boxes.to_train(index)}

    def check(self) -> Iterator[UserError | None]:
        """Check every file's header and end once; yields the error, or None.

        Raises:
            UserError: at the end, if some boxes refer to upright photos and other photos are ambiguous in size.
        """
        turned: list[tuple[int, bool | None]] = []  # photos with an EXIF turn: whether boxes are on the upright one

        def problem(index: int) -> UserError | None:
            try:
                size, turn = look(self.path(index), self.white)
            except UserError as error:
                return error
            said = self.size(index)
            if turn != 1:
                tells = turn >= SIDEWAYS and size[0] != size[1]
                turned.append((index, is_upright(said, size, turn) if tells else None))
            return None if size == said or is_upright(said, size, turn) else self.wrong_size(index, *size)

        with thread_pool() as pool:
            yield from pool.map(problem, range(len(self)))
        self.report_turns(turned)

    def report_turns(self, turned: Sequence[tuple[int, bool | None]]) -> None:
        """Report how the boxes of photos with an EXIF turn are interpreted.

        Args:
            turned: their numbers, and whether the boxes are on the upright photo; None if the size does not tell.

        Raises:
            UserError: if some are, and others may be.
        """
        upright = sum(on is True for _, on in turned)
        unknown = [index for index, on in turned if on is None]
        settle = "save them upright, without the EXIF turn (ImageOps.exif_transpose), to settle it"
        if unknown and upright:
            raise UserError(
                f"{self.source}: the boxes of {upright} photos are on the upright picture, as their sizes tell, but "
                f"those of {len(unknown)} others with an EXIF turn may not be ({self.path(min(unknown))}): {settle}"
            )
        if unknown:
            print(
                f"{self.source.name}: {len(unknown)} photos have an EXIF turn ({self.files[min(unknown)]}), and their "
                "sizes do not tell whether the boxes are on the upright picture: taken as stored, like COCO's; "
                f"{settle}",
                flush=True,
            )
        elif upright:
            print(f"{self.source.name}: {upright} photos are read upright, as their annotated sizes tell", flush=True)

    def wrong_size(self, index: int, height: int, width: int) -> UserError:
        """Error for an image whose size is not the one its boxes refer to."""
        said = self.size(index)
        return UserError(
            f"{self.path(index)} is {width}×{height}, but {self.source} says {said[1]}×{said[0]} "
            f"for image {self.boxes.image_ids[index]}"
        )


def are_missing(
    lost: Sequence[int], folder: Path, files: Sequence[str], ids: NDArray[np.int64], source: Path, why: str = ""
) -> UserError:
    """Error for missing files.

    Args:
        lost: their indices among all files.
        ids: of all images.
        why: reason why the first is not found.
    """
    first = lost[0]
    more = f" ({len(lost)} of {len(files)} images are missing)" if len(lost) > 1 else ""
    because = f": {why}" if why else ""
    return UserError(f"{source}: image {ids[first]} is missing: no file {shown(folder / files[first])}{more}{because}")


def absent(folder: Path, files: Sequence[str]) -> list[int]:
    """Indices of the files that are not below the folder; each folder is listed once."""
    split = [os.path.split(file) for file in files]
    listed = {parent: {path.name for path in (folder / parent).glob("*")} for parent in {parent for parent, _ in split}}
    return [place for place, (parent, name) in enumerate(split) if name not in listed[parent]]
