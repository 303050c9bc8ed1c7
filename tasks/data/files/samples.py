"""What every data set offers, one sample at a time; nothing here needs torch."""

from typing import Any, Protocol

from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.data.files.files import View

Arrays = dict[str, NDArray[Any]]
KINDS = ("mask", "boxes", "label")  # of labels that data sets of ours have; a plug-in's task may learn from others


def key_of(kind: str) -> str:
    """Albumentations' name of the arrays of a kind of label."""
    return "bboxes" if kind == "boxes" else kind


class Samples(Protocol):
    """What a data set's split offers: arrays by albumentations' names for them (image, mask, bboxes, label, …).

    `read(index, view)` lets a view make the image from its file (or from decoded pixels) where it can do so faster or
    better than by decoding all of it; the labels stay those of the file. `annotations` is for samples that have
    `bboxes`.
    """

    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def size(self, index: int) -> tuple[int, int]: ...
    def read(self, index: int, view: View | None = None) -> Arrays: ...
    def annotations(self, index: int) -> Annotations: ...
