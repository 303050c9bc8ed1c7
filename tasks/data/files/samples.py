"""Interface of every data set, one sample at a time; nothing here needs torch."""

from typing import Any, Protocol

from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.data.files.files import View

Arrays = dict[str, NDArray[Any]]
KINDS = ("mask", "boxes", "label", "multilabel")  # kinds of labels of our data sets; a plug-in's task may use others


def key_of(kind: str) -> str:
    """Albumentations' key for a kind of label."""
    return "bboxes" if kind == "boxes" else kind


class Samples(Protocol):
    """A data set's split: arrays by albumentations' keys (image, mask, bboxes, label, …).

    `read(index, view)` lets a view make the image from its file (or from decoded pixels), which can be faster or better
    than decoding all of it; the labels stay those of the file. `annotations` is for samples that have `bboxes`.
    """

    def __len__(self) -> int: ...
    def name(self, index: int) -> str: ...
    def size(self, index: int) -> tuple[int, int]: ...
    def read(self, index: int, view: View | None = None) -> Arrays: ...
    def annotations(self, index: int) -> Annotations: ...
