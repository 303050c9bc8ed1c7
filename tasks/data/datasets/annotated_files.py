"""Image files with any of boxes, label maps and image labels."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.data.datasets.oriented_files import OrientedFiles
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import View
from tasks.data.files.image_labels import ImageLabels
from tasks.data.files.images import look
from tasks.data.files.masks import Masks, count_classes
from tasks.data.files.opening import shown
from tasks.data.files.orientation import Upright, turned


class AnnotatedFiles(ImageLabels, OrientedFiles):
    """Image files below one folder, each with any of boxes, a label map and a label.

    Args:
        folder, files: see Files.
        source: the file or folder of the annotations, for messages.
        boxes: of all images.
        masks: their label maps.
        labels: (N,) their class numbers.
        multilabel: (N, C) uint8, 1 where an image has a class.
        upright: whether images (and label files that have one) are turned by their EXIF orientation, because the
            annotations are on the upright photo; "auto" for those whose annotated size says so. Photos whose size does
            not tell are refused by "auto". Images with nothing but image labels: see Files.
        unsaid: (N,) images of which `boxes` has the size of the file, as `upright` reads it, because the annotations
            have none; None if they say all sizes.

    Attributes:
        reports_absent: whether the check names classes without a pixel.
    """

    reports_absent = True

    def __init__(
        self,
        folder: Path,
        files: Sequence[str],
        *,
        source: Path,
        boxes: PackedBoxes | None = None,
        masks: Masks | None = None,
        labels: NDArray[np.int64] | None = None,
        multilabel: NDArray[np.uint8] | None = None,
        upright: Upright = "auto",
        unsaid: NDArray[np.bool_] | None = None,
    ) -> None:
        super().__init__(folder, files, source=source, boxes=boxes, masks=masks, upright=upright, unsaid=unsaid)
        self.labels, self.multilabel = labels, multilabel
        self.counted: NDArray[np.int64] | None = None  # pixels of each class, once all label maps were read

    def of(self, numbers: Sequence[int]) -> Self:
        part = super().of(numbers)
        part.labels = None if self.labels is None else self.labels[list(numbers)]
        part.multilabel = None if self.multilabel is None else self.multilabel[list(numbers)]
        part.counted = None
        return part

    def annotations(self, index: int) -> Annotations:
        """The boxes as in the file, to score against."""
        assert self.boxes is not None
        return self.boxes.annotations(index)

    def must_teach(self, file: Path) -> None:
        """Raises a UserError that names the boxes' file if there is no box to train with."""
        assert self.boxes is not None
        self.boxes.must_teach(file)

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) uint8 RGB upright or as stored, as `upright` says; `mask` (H, W) uint8 class numbers, 255
        for void; `bboxes` (K, 5) float32, xyxy and class number; `label` () int64; `multilabel` (C,) uint8.

        Args:
            view: makes the image from its path; the labels stay those of the file.

        Raises:
            UserError: for a file that cannot be decoded, whose size differs from the annotated one, or with an EXIF
                turn of which nothing tells whether it is annotated upright.
        """
        mask = None if self.masks is None else self.masks.read(index)
        said = self.said(index, mask)
        image, upright = self.image(index, said, view)
        sample: dict[str, NDArray[Any]] = {"image": image}
        if mask is not None:
            assert self.masks is not None
            sample["mask"] = turned(mask, self.masks.turn(index)) if upright else mask
        return sample | self.labels_in_memory(index)

    def labels_in_memory(self, index: int) -> dict[str, NDArray[Any]]:
        """The labels of `read` for which no file is read."""
        sample: dict[str, NDArray[Any]] = {}
        if self.boxes is not None:
            sample["bboxes"] = self.boxes.to_train(index)
        if self.labels is not None:
            sample["label"] = np.asarray(self.labels[index])
        if self.multilabel is not None:
            sample["multilabel"] = self.multilabel[index]
        return sample

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
            UserError: at the end, if every pixel is void, or for photos with an EXIF turn of which nothing tells
                whether their annotations are on the upright picture.
        """
        lie: list[tuple[int, bool | None]] = []  # labels of photos with an EXIF turn
        counts: NDArray[np.int64] = np.zeros(256, np.int64)

        def problem(index: int) -> tuple[UserError | None, NDArray[np.int64] | None]:
            count = None
            try:
                image = look(self.path(index), self.white)
                self.turns.known[index] = image.turn
                mask = None if self.masks is None else self.masks.read(index)
                said = self.said(index, mask)
                count = None if mask is None else count_classes(mask)
                self.place(index, image, said, lie)
            except UserError as error:
                return error, count
            return None, count

        with thread_pool() as pool:  # decoding releases the GIL
            for error, count in pool.map(problem, range(len(self))):
                if count is not None:
                    counts += count
                yield error
        self.settle(lie)
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
        elif self.reports_absent and (absent_ones := [name for number, name in enumerate(names) if not counts[number]]):
            some = ", ".join(absent_ones[:8]) + (f" and {len(absent_ones) - 8} more" if len(absent_ones) > 8 else "")
            print(f"no pixel of {some} in {len(self)} label files", flush=True)


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
    because = f": {why}" if why else ": put it there, or remove it from the list"
    return UserError(f"{source}: image {ids[first]} is missing: no file {shown(folder / files[first])}{more}{because}")


def absent(folder: Path, files: Sequence[str]) -> list[int]:
    """Indices of the files that are not below the folder; each folder is listed once."""
    split = [os.path.split(file) for file in files]
    listed = {parent: names_in(folder / parent) for parent in {parent for parent, _ in split}}
    return [place for place, (parent, name) in enumerate(split) if name not in listed[parent]]


def names_in(folder: Path) -> set[str]:
    """Names of all that is in a folder; none if there is no such folder."""
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        return {entry.name for entry in entries}
    return set()
