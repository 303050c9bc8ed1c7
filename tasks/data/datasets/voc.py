"""Pascal VOC (Everingham et al., IJCV 2010) in its official layout, and data sets with files of its format."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.class_names import check_classes, listed, typed
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.targets import check_targets
from tasks.data.datasets.two_sides import AnnotatedSides, Side
from tasks.data.datasets.voc_boxes import pack_boxes
from tasks.data.datasets.voc_classes import CLASSES, labels_in
from tasks.data.datasets.voc_layout import Target, VocLayout
from tasks.data.datasets.voc_parts import Part
from tasks.data.files.masks import LabelFiles
from tasks.data.files.orientation import Upright
from tasks.data.files.stems import stamps_of
from tasks.data.files.voc_masks import VocLabels
from tasks.data.files.voc_xml import Objects, read_annotations

WORDS = ("auto", "official", "found")


class Voc(AnnotatedSides):
    """`<root>/VOC2012/` or `<root>` itself, with JPEGImages, Annotations/*.xml, SegmentationClass/*.png and
    ImageSets/{Main,Segmentation}/<split>.txt; or without lists: see VocLayout.

    Scored by COCO's rules, not by VOC's own metric. Difficult objects are left out of training and ignored in scoring
    as COCO ignores crowds: finding one is neither right nor wrong.

    Args:
        root: the folder, or the one above it.
        images, annotations: folders below it; None to look for the usual names.
        train_split, val_split: names of lists or folders.
        val: how validation images are drawn from the training images: see DrawnSplit.
        classes: "official" for the 20 of VOC; "found" for those of the training split's files, sorted by name; "auto"
            for the 20 if the training split has no others, else as found; or their names in the order of their numbers.
            Label maps have the background before them; labelmap.txt or class_names.txt names the classes of own sets.
        background: name of class 0 of label maps; None if these pixels are void.
        first_pixel: what the files count pixels from; VOC counts from 1.
        upright: see AnnotatedFiles.
        targets: kinds of labels to read: mask, boxes.

    Raises:
        UserError: for any other value.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        images: str | None = None,
        annotations: str | None = None,
        train_split: str = "train",
        val_split: str = "val",
        val: Mapping[str, Any] | None = None,
        classes: Literal["auto", "official", "found"] | Sequence[str] = "auto",
        background: str | None = "background",
        first_pixel: int = 1,
        upright: Upright = "auto",
        targets: Sequence[str] = ("boxes",),
    ) -> None:
        asked = check_targets(targets, "mask, boxes, label")
        self.wanted = check_classes(classes, WORDS)
        super().__init__(DrawnSplit.of(val))
        self.background, self.first_pixel, self.upright = background, first_pixel, upright
        self.layout = VocLayout(
            Path(root), images=images, annotations=annotations, train_split=train_split, val_split=val_split
        )
        kinds: tuple[Target, ...] = ("mask", "boxes")
        wanted = tuple(kind for kind in kinds if kind in asked)
        self.targets = tuple(kind for kind in wanted if self.layout.has(kind)) or wanted
        self.splits = {"train": train_split, "val": val_split}
        self.opened: dict[str, tuple[Part, Objects | None]] = {}

    def open(self, side: Side) -> tuple[Part, Objects | None]:
        """The images of a side and the content of their annotation files, read once."""
        if side not in self.opened:
            part = self.layout.part(self.splits[side], self.targets, whole=self.drawn is not None)
            objects = None
            if "boxes" in self.targets:
                objects = read_annotations(stamps_of(part.folders.annotations, part.xml))
            self.opened[side] = part, objects
        return self.opened[side]

    @cached_property
    def first(self) -> Side:
        """The side that the classes come from: val if there is no other, which is enough to score a model."""
        known = [self.layout.exists(self.splits[side], self.targets) for side in ("train", "val")]
        return "val" if known == [False, True] and not self.drawn else "train"

    @cached_property
    def names(self) -> list[str]:
        """Names of the boxes' classes, in the order of their numbers."""
        if not isinstance(self.wanted, str):
            return list(self.wanted)
        if self.wanted == "official":
            return list(CLASSES)
        part, objects = self.open(self.first)
        found = objects.names if objects else []
        if self.wanted == "auto" and {*found} <= {*CLASSES}:
            print(
                f"{part.source.name}: classes are the 20 of VOC (dataset.classes=found: those of the files)", flush=True
            )
            return list(CLASSES)
        if not found:
            raise UserError(f"dataset.classes=found finds none: no image of {part.source} has an object")
        if self.wanted == "auto":
            print(f"{part.source.name}: {len(found)} classes found: {listed(found)}", flush=True)
        return found

    @cached_property
    def labels(self) -> VocLabels:
        """What the label maps hold.

        Raises:
            UserError: if it is not known, or dataset.classes contradicts labelmap.txt.
        """
        return labels_in(self.layout.folder, self.wanted, self.background)

    @property
    def classes(self) -> Mapping[str, Sequence[Any]]:
        """[name, category id] of the boxes' classes: ids count from 1, since VOC has none; name, index and colour of
        the label maps' classes.
        """
        kinds: dict[str, Sequence[Any]] = {}
        if "mask" in self.targets:
            kinds["mask"] = self.labels.classes
        if "boxes" in self.targets:
            kinds["boxes"] = [[name, number] for number, name in enumerate(self.names, 1)]
        return kinds

    def found_names(self) -> list[str] | None:
        """See AnnotatedSides."""
        return self.names if isinstance(self.wanted, str) else None

    @property
    def train_source(self) -> Path:
        """The list or the folder of the training images."""
        return self.open("train")[0].source

    def open_side(self, side: Side) -> AnnotatedFiles:
        """All images of a side, in the order of its list or by name, numbered from 1."""
        part, objects = self.open(side)
        for line in part.notes:
            print(line, flush=True)
        folders, masks = part.folders, None
        boxes = None
        if objects is not None:
            numbers = self.numbers(part, objects)
            boxes = pack_boxes(part, objects, numbers, first_pixel=self.first_pixel, upright=self.upright is True)
        if "mask" in self.targets:
            names = [one.name for one in self.labels.classes]
            masks = LabelFiles([folders.masks / file for file in part.masks], names, self.labels)
        source = folders.masks if boxes is None else folders.annotations
        return AnnotatedFiles(
            folders.images,
            part.files,
            source=source,
            boxes=boxes,
            masks=masks,
            upright=self.upright,
            unsaid=None if objects is None else (objects.sizes == 0).any(1),
        )

    def numbers(self, part: Part, objects: Objects) -> NDArray[np.int64]:
        """(A,) class numbers of a part's objects.

        Raises:
            UserError: for a class that is none of the data set's.
        """
        number = {name: place for place, name in enumerate(self.names)}
        labels = np.array([number.get(name, -1) for name in objects.names], np.int64)[objects.kinds]
        for place in np.flatnonzero(labels < 0)[:1]:
            raise self.unknown(objects.names[objects.kinds[place]], part, objects.owners[place])
        return labels

    def unknown(self, name: str, part: Part, owner: int) -> UserError:
        """Error for a class that is none of the data set's, with the way out."""
        what = f"{part.folders.annotations / part.xml[owner]} has an object of class {name}, which is none of"
        if self.wanted == "official":
            return UserError(f"{what} VOC's 20: dataset.classes=found takes the classes of the files")
        known = f"{what} {listed(self.names)}"
        if not isinstance(self.wanted, str):
            return UserError(f"{known}: add it to dataset.classes")
        trained = self.open(self.first)[1]
        have = {*(trained.names if trained else self.names), name}
        return UserError(f"{known}: the training images have none; {typed(have)} scores it all the same")
