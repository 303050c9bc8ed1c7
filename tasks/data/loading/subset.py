"""A subset of a data set's samples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import View
from tasks.data.files.samples import Arrays


class Subset:
    """Samples selected by their indices in another data set, in this order."""

    def __init__(self, samples: Any, numbers: Sequence[int]) -> None:
        self.samples, self.numbers = samples, list(numbers)
        self.pixels: dict[int, NDArray[np.int64]] = {}

    def __len__(self) -> int:
        return len(self.numbers)

    def name(self, index: int) -> str:
        result: str = self.samples.name(self.numbers[index])
        return result

    def size(self, index: int) -> tuple[int, int]:
        result: tuple[int, int] = self.samples.size(self.numbers[index])
        return result

    def read(self, index: int, view: View | None = None) -> Arrays:
        result: Arrays = self.samples.read(self.numbers[index], view)
        return result

    def annotations(self, index: int) -> Annotations:
        result: Annotations = self.samples.annotations(self.numbers[index])
        return result

    @property
    def boxes(self) -> PackedBoxes | None:
        """The boxes of these images; None if the samples have none."""
        boxes = getattr(self.samples, "boxes", None)
        return boxes.of(self.numbers) if isinstance(boxes, PackedBoxes) else None

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of these images."""
        labels: NDArray[np.int64] = self.samples.class_labels()
        return labels[self.numbers]

    def label_matrix(self) -> NDArray[np.uint8]:
        """(N, C) 1 where one of these images has a class."""
        labels: NDArray[np.uint8] = self.samples.label_matrix()
        return labels[self.numbers]

    def class_pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,) pixels of each class in the whole data set, counted once."""
        if classes not in self.pixels:
            self.pixels[classes] = self.samples.class_pixels(classes)
        return self.pixels[classes]
