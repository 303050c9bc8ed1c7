"""Image files with any of boxes, label maps and image labels, and their orientation."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import Files, View, decode
from tasks.data.files.images import image_size, look, opened_size, read_rgb
from tasks.data.files.masks import Masks, count_classes
from tasks.data.files.opening import shown

SIDEWAYS = 5  # EXIF orientations from here on swap height and width
Upright = bool | Literal["auto"]
Size = tuple[int, int]


def is_upright(said: Size, stored: Size, turn: int) -> bool:
    """Whether an annotated (height, width) is that of the upright photo and not of the stored one."""
    return said != stored and turn >= SIDEWAYS and said == stored[::-1]


def size_of(stored: Size, turn: int) -> Size:
    """(height, width) of a photo stored with this EXIF orientation once it is upright."""
    return stored[::-1] if turn >= SIDEWAYS else stored


class AnnotatedFiles(Files):
    """Image files below one folder, each with any of boxes, a label map and a label.

    Args:
        folder, files: see Files.
        source: the file or folder of the annotations, for messages.
        boxes: of all images.
        masks: their label maps.
        labels: (N,) their class numbers.
        upright: whether images are rotated by their EXIF orientation, because the annotations are on the upright photo;
            "auto" for those whose annotated size says so.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[str],
        *,
        source: Path,
        boxes: PackedBoxes | None = None,
        masks: Masks | None = None,
        labels: NDArray[np.int64] | None = None,
        upright: Upright = "auto",
    ) -> None:
        super().__init__(folder, files)
        self.source, self.upright = source, upright
        self.boxes, self.masks, self.labels = boxes, masks, labels
        self.counted: NDArray[np.int64] | None = None  # pixels of each class, once all label maps were read

    def of(self, numbers: Sequence[int]) -> Self:
        part = super().of(numbers)
        part.boxes = None if self.boxes is None else self.boxes.of(numbers)
        part.masks = None if self.masks is None else self.masks.of(numbers)
        part.labels = None if self.labels is None else self.labels[list(numbers)]
        part.counted = None
        return part

    def size(self, index: int) -> Size:
        """(height, width) of the image, as annotated."""
        if self.boxes is not None:
            height, width = self.boxes.sizes[index].tolist()
            return height, width
        return image_size(self.path(index)) if self.masks is None else self.masks.size(index)

    def annotations(self, index: int) -> Annotations:
        """The boxes as in the file, to score against."""
        assert self.boxes is not None
        return self.boxes.annotations(index)

    def must_teach(self, file: Path) -> None:
        """Raises a UserError that names the boxes' file if there is no box to train with."""
        assert self.boxes is not None
        self.boxes.must_teach(file)

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB as stored, or upright as `upright` says; `mask` (H, W) uint8 class numbers, 255
        for void; `bboxes` (K, 5) float32, xyxy and class number; `label` () int64.

        Args:
            view: makes the image from its path; the labels stay those of the file.

        Raises:
            UserError: for a file that cannot be decoded, or whose size differs from the annotated one.
        """
        mask = None if self.masks is None else self.masks.read(index)
        said = self.said(index, mask)
        sample: dict[str, NDArray[Any]] = {"image": self.image(index, said, view)}
        if mask is not None:
            sample["mask"] = mask
        if self.boxes is not None:
            sample["bboxes"] = self.boxes.to_train(index)
        if self.labels is not None:
            sample["label"] = np.asarray(self.labels[index])
        return sample

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of all images."""
        assert self.labels is not None
        return self.labels

    def said(self, index: int, mask: Pixels | None) -> Size | None:
        """(height, width) of an image as its annotations have it; None if they have no size.

        Raises:
            UserError: if boxes and label map differ.
        """
        if self.boxes is None:
            return None if mask is None else (mask.shape[0], mask.shape[1])
        said = self.size(index)
        if mask is not None and mask.shape != said:
            assert self.masks is not None
            raise UserError(
                f"{self.masks.path(index)} is {mask.shape[1]}×{mask.shape[0]}, its image's boxes are on "
                f"{said[1]}×{said[0]} pixels"
            )
        return said

    def image(self, index: int, said: Size | None, view: View | None) -> Pixels:
        """The image, stored or upright, whichever its annotations are on, or what a view makes of it."""
        path = self.path(index)
        if view is None:
            image = read_rgb(path, upright=self.upright is True, white=self.white)
            if self.upright == "auto" and said not in (None, image.shape[:2]) and image.shape[1::-1] == said:
                image = read_rgb(path, upright=True, white=self.white)
            if said not in (None, image.shape[:2]):
                raise self.wrong_size(index, said, (image.shape[0], image.shape[1]))
            return image
        if self.upright is False and said is None:
            return decode(path, view, self.white)
        stored, turn = opened_size(path)
        turned = self.is_turned(said, stored, turn)
        if said not in (None, size_of(stored, turn if turned else 1)):
            raise self.wrong_size(index, said, stored)
        return view(read_rgb(path, upright=True, white=self.white)) if turned else decode(path, view, self.white)

    def is_turned(self, said: Size | None, stored: Size, turn: int) -> bool:
        """Whether a photo with this EXIF orientation is read upright."""
        if self.upright == "auto":
            return said is not None and is_upright(said, stored, turn)
        return self.upright and turn != 1

    def class_pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,) number of pixels of each class over all label maps, without void."""
        if self.counted is None:
            masks = self.masks
            assert masks is not None
            with thread_pool() as pool:
                self.counted = np.sum(
                    list(pool.map(lambda index: count_classes(masks.read(index)), range(len(self)))), axis=0
                )
        return self.counted[:classes]

    def check(self) -> Iterator[UserError | None]:
        """Check every file once: image header and end, the whole label map, their sizes; yields the error, or None.

        Raises:
            UserError: at the end, if every pixel is void, or if some boxes refer to upright photos and other photos are
                ambiguous in size.
        """
        turned: list[tuple[int, bool | None]] = []  # photos with an EXIF turn: see report_turns
        counts: NDArray[np.int64] = np.zeros(256, np.int64)

        def problem(index: int) -> tuple[UserError | None, NDArray[np.int64] | None]:
            count = None
            try:
                size, turn = look(self.path(index), self.white)
                mask = None if self.masks is None else self.masks.read(index)
                said = self.said(index, mask)
                count = None if mask is None else count_classes(mask)
            except UserError as error:
                return error, count
            if said is None:
                return None, count
            if turn != 1:
                tells = turn >= SIDEWAYS and size[0] != size[1]
                turned.append((index, is_upright(said, size, turn) if tells else None))
            read = size_of(size, turn if self.is_turned(said, size, turn) else 1)
            return None if read == said else self.wrong_size(index, said, size), count

        with thread_pool() as pool:  # decoding releases the GIL
            for error, count in pool.map(problem, range(len(self))):
                if count is not None:
                    counts += count
                yield error
        if self.upright == "auto":
            self.report_turns(turned)
        if self.masks is not None:
            self.counted = counts
            self.report_classes(counts)

    def report_classes(self, counts: NDArray[np.int64]) -> None:
        """Report classes without a pixel, and that all labelled pixels are of one class.

        Args:
            counts: (256,) pixels of each class number; the last is void.

        Raises:
            UserError: if there is no labelled pixel.
        """
        assert self.masks is not None
        names, seen = self.masks.names, np.flatnonzero(counts[:VOID])
        if not len(seen):
            meaning = self.masks.meaning()
            raise UserError(
                f"every pixel of all {len(self)} label files is void: there is nothing to learn from or to score"
                + (f" ({meaning})" if meaning else "")
            )
        if len(seen) == 1:
            print(f"all labelled pixels of {len(self)} label files are of one class, {names[seen[0]]}", flush=True)
        elif absent_ones := [name for number, name in enumerate(names) if not counts[number]]:
            some = ", ".join(absent_ones[:8]) + (f" and {len(absent_ones) - 8} more" if len(absent_ones) > 8 else "")
            print(f"no pixel of {some} in {len(self)} label files", flush=True)

    def report_turns(self, turned: Sequence[tuple[int, bool | None]]) -> None:
        """Report how the annotations of photos with an EXIF turn are interpreted.

        Args:
            turned: their numbers, and whether the annotations are on the upright photo; None if the size does not tell.

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

    def wrong_size(self, index: int, said: Size, size: Size) -> UserError:
        """Error for an image whose (height, width) is not the one its annotations refer to."""
        if self.boxes is None:
            assert self.masks is not None
            return UserError(f"{self.masks.path(index)} is {said[1]}×{said[0]}, its image {size[1]}×{size[0]}")
        return UserError(
            f"{self.path(index)} is {size[1]}×{size[0]}, but {self.source} says {said[1]}×{said[0]} "
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
