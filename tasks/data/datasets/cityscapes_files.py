"""Cityscapes' images and label maps, and whether the ids of these are its own."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.cityscapes_classes import (
    CLASSES,
    MAX_LABEL_ID,
    NOT_AN_ID,
    TRAIN_ID_CLASSES,
    LabelKind,
    lookup_table,
)
from tasks.data.files.images import read_labels
from tasks.data.files.label_values import are_smoothed, edges
from tasks.data.files.masks import LabelFiles

EDGES_OF = 16  # files that are searched for smoothed edges
OWN_CLASSES = "for classes of your own: dataset.classes={name: value, …}, or dataset.classes=found"


class TrainIds:
    """Reads a label file of Cityscapes as train ids."""

    def __init__(self, kind: LabelKind) -> None:
        self.kind, self.table = kind, lookup_table(kind)

    def __call__(self, path: Path) -> Pixels:
        """(H, W) train ids, 255 for void.

        Raises:
            UserError: for a file that cannot be decoded, or an unknown id.
        """
        ids = read_labels(path)
        mask = self.table[ids]
        if (mask == NOT_AN_ID).any():
            wrong = sorted(set(np.unique(ids).tolist()) & set(np.flatnonzero(self.table == NOT_AN_ID).tolist()))
            known = f"0-{MAX_LABEL_ID}" if self.kind == "labelIds" else f"0-{len(CLASSES) - 1} and {VOID}"
            raise UserError(
                f"{path} has id {wrong[0]}, which is no {self.kind[:-1]} of Cityscapes ({known}); {OWN_CLASSES}"
            )
        return mask


class LabelMaps(LabelFiles):
    """Cityscapes' label files."""

    def meaning(self) -> str:
        ids = ", ".join(map(str, np.unique(read_labels(self.path(0)))[:8]))
        assert isinstance(self.convert, TrainIds)
        known = CLASSES if self.convert.kind == "labelIds" else TRAIN_ID_CLASSES
        classes = ", ".join(str(label.label_id) for label in known[:5])
        return f"{self.path(0)} has the ids {ids}; those of classes are {classes}, …; {OWN_CLASSES}"

    def check_official(self, counts: NDArray[np.int64]) -> None:
        """Raise if the ids in use are those that people number their own classes by: 0 to a few, or 0 and 255.

        Args:
            counts: (256,) pixels of each class number in all files.

        Raises:
            UserError: with the ids and the classes that they would be.
        """
        assert isinstance(self.convert, TrainIds)
        seen = np.flatnonzero(counts[:VOID])
        if not len(seen) or not is_first(seen) or len(seen) == len(CLASSES):
            return
        ids = {*seen.tolist(), *([VOID] if counts[VOID] and len(seen) == 1 else [])}
        if self.convert.kind == "labelIds":  # many ids are void: only the files tell
            with thread_pool() as pool:
                found = list(pool.map(lambda index: np.unique(read_labels(self.path(index))), range(len(self.paths))))
            ids = {*np.concatenate(found).tolist()}
        if is_first(sorted(ids)) or ids == {0, VOID}:
            names = ", ".join(CLASSES[number].name for number in seen[:4]) + (", …" if len(seen) > 4 else "")
            shown = ", ".join(map(str, sorted(ids)[:8])) + (", …" if len(ids) > 8 else "")
            raise UserError(
                f"the label files hold only the ids {shown}, which for Cityscapes are {names}, or void; "
                f"{OWN_CLASSES}; dataset.classes=official if they are Cityscapes'"
            )


def is_first(numbers: Sequence[int] | NDArray[np.int64]) -> bool:
    """Whether numbers are 0, 1, … without a gap."""
    return list(numbers) == list(range(len(numbers)))


class StreetFiles(AnnotatedFiles):
    """Cityscapes' images, named without their suffix.

    Attributes:
        confirmed: whether the user said that the ids are Cityscapes'.
    """

    confirmed = False

    def check(self) -> Iterator[UserError | None]:
        """As of AnnotatedFiles; before, some label files are searched for smoothed edges.

        Raises:
            UserError: also for those, and for ids that look like those of another data set.
        """
        if isinstance(self.masks, LabelMaps) and isinstance(self.masks.convert, TrainIds) and not self.confirmed:
            self.check_edges(self.masks)
        yield from super().check()

    def check_edges(self, masks: LabelMaps) -> None:
        """Raise if the ids of some files run smoothly into each other: those between are other classes."""
        steps = between = 0
        for index in np.unique(np.linspace(0, len(self) - 1, EDGES_OF).astype(int)).tolist():
            try:
                counted = edges(read_labels(masks.path(index)))
            except UserError:  # check() will tell
                continue
            steps, between = steps + counted[0], between + counted[1]
        if are_smoothed(steps, between):
            raise UserError(
                f"{masks.path(0)} and others have ids that run smoothly into each other, as if resized or drawn "
                "with soft edges: the ids between are other classes; resize label maps by nearest, or confirm them by "
                "dataset.classes=official"
            )

    def report_classes(self, counts: NDArray[np.int64]) -> None:
        if isinstance(self.masks, LabelMaps) and isinstance(self.masks.convert, TrainIds) and not self.confirmed:
            self.masks.check_official(counts)
        super().report_classes(counts)

    def name(self, index: int) -> str:
        return Path(self.files[index]).stem.removesuffix("_leftImg8bit")
