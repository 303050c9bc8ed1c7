"""Image files with boxes, as detection data sets have them."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tasks.annotations import Annotations
from tasks.data.boxes import PackedBoxes
from tasks.data.files import Files, View
from tasks.data.images import image_size, read_rgb
from tasks.data.jpeg import look_at_end
from tasks.errors import UserError


class BoxedFiles(Files):
    """Image files in one folder, each with any number of boxes.

    Args:
        folder, files: see Files.
        boxes: of all of them.
        source: the file that the boxes come from, for messages; of one image where there are several.

    Raises:
        UserError: for a file that is not there.
    """

    def __init__(self, folder: Path, files: Sequence[str], boxes: PackedBoxes, source: Path) -> None:
        super().__init__(folder, files)
        self.boxes, self.source = boxes, source
        missing = absent(folder, files)
        if missing:
            place = missing[0]
            more = f" ({len(missing)} of {len(files)} images are missing)" if len(missing) > 1 else ""
            raise UserError(
                f"{source}: image {boxes.image_ids[place]} is missing: no file {folder / files[place]}{more}"
            )

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image, as its data set says."""
        height, width = self.boxes.sizes[index].tolist()
        return height, width

    def annotations(self, index: int) -> Annotations:
        """The boxes as the file has them: what is scored against."""
        return self.boxes.annotations(index)

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB as stored, unturned, and `bboxes` (K, 5) float32, xyxy and class number.

        Args:
            view: makes the image from its path; the boxes stay those of the file.

        Raises:
            UserError: for a file that cannot be decoded, or has another size than its data set says.
        """
        path = self.path(index)
        image = (view or read_rgb)(path)
        if view is None and image.shape[:2] != self.size(index):
            raise self.wrong_size(index, image.shape[0], image.shape[1])
        return {"image": image, "bboxes": self.boxes.to_train(index)}

    def check(self) -> Iterator[UserError | None]:
        """Look at every file's header and end once; yields what is wrong with it, or None."""

        def look(index: int) -> UserError | None:
            path = self.path(index)
            try:
                size = image_size(path)
                look_at_end(path)
            except UserError as error:
                return error
            return None if size == self.size(index) else self.wrong_size(index, *size)

        with ThreadPoolExecutor() as pool:
            yield from pool.map(look, range(len(self)))

    def wrong_size(self, index: int, height: int, width: int) -> UserError:
        """An image whose size is not the one that its boxes refer to."""
        said = self.size(index)
        return UserError(
            f"{self.path(index)} is {width}×{height}, but {self.source} says {said[1]}×{said[0]} "
            f"for image {self.boxes.image_ids[index]}"
        )


def absent(folder: Path, files: Sequence[str]) -> list[int]:
    """Places of the files that are not below the folder; each folder is listed once."""
    split = [os.path.split(file) for file in files]
    listed = {parent: {path.name for path in (folder / parent).glob("*")} for parent in {parent for parent, _ in split}}
    return [place for place, (parent, name) in enumerate(split) if name not in listed[parent]]
