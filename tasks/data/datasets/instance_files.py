"""Splits of images with boxes in instance files of COCO's format, at any location."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError, not_one_of
from tasks.common.labels import VOID
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.header_sizes import complete_sizes
from tasks.data.datasets.instance_categories import Numbering, numbered, same_categories
from tasks.data.datasets.instance_classes import MaskClasses
from tasks.data.datasets.instance_images import find_files
from tasks.data.datasets.targets import check_targets
from tasks.data.datasets.two_sides import AnnotatedSides, Side
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.coco_boxes import check_meaning
from tasks.data.files.coco_cache import open_instances
from tasks.data.files.coco_json import Instances
from tasks.data.files.orientation import Upright
from tasks.data.files.rasters import PolygonMasks


class Source(NamedTuple):
    """Location of a split: the folder of its images, which may be missing, and its JSON file, which exists."""

    images: Path
    annotations: Path


class InstanceFiles(AnnotatedSides):
    """Two splits, each of a folder of images and an instances file.

    The categories are those of the training file; those of the validation file if there is no training file, which is
    enough to score a model.

    Args:
        numbering: "dense" numbers the file's categories by ascending id; "ids" uses id - 1 and fills the gaps with
            classes named "-", as most published weights number COCO's 90 ids with 80 categories.
        targets: kinds of labels to read: boxes, mask (drawn from polygons and run-length masks).
        background: name of the pixels without an object in label maps; None makes them void.
        upright: see AnnotatedFiles.
        drop_empty: whether categories without an annotation in either split are left out.
        drawn: how to draw validation images from the training images; None if there is a validation file.

    Raises:
        UserError: for an unknown numbering or target.
    """

    def __init__(
        self,
        numbering: Numbering,
        *,
        targets: Sequence[str],
        background: str | None,
        upright: Upright,
        drop_empty: bool = False,
        drawn: DrawnSplit | None = None,
    ) -> None:
        super().__init__(drawn)
        if numbering not in (choices := ("dense", "ids")):
            raise UserError(f"dataset.numbering={numbering} {not_one_of(numbering, choices)}")
        self.targets = check_targets(targets, "mask, boxes")
        self.numbering, self.background = numbering, background
        self.upright, self.drop_empty = upright, drop_empty

    @abstractmethod
    def source(self, split: str) -> Source | None:
        """Location of "train" or "val"; None if its file does not exist."""

    @abstractmethod
    def missing(self, split: str) -> UserError:
        """Error for a split whose file is missing."""

    @abstractmethod
    def without_images(self, source: Source) -> UserError:
        """Error for a split whose images are missing."""

    @cached_property
    def instances(self) -> Mapping[str, Instances]:
        """The splits' files, read once.

        Raises:
            UserError: for an error in them, or if there is none.
        """
        sources = {split: source for split in ("train", "val") if (source := self.source(split)) is not None}
        if not sources:
            raise self.missing("train")
        outlines = "mask" in self.targets
        read = {split: open_instances(source.annotations, outlines=outlines) for split, source in sources.items()}
        if len(read) == 2:
            same_categories(read["train"], read["val"])
        return read

    @cached_property
    def categories(self) -> list[tuple[str, int]]:
        """(name, id) of each class, in the order of their numbers."""
        return numbered(self.instances, self.numbering, drop_empty=self.drop_empty)

    @cached_property
    def mask_classes(self) -> MaskClasses:
        """Classes of the label maps."""
        return MaskClasses.of(self.categories, self.background)

    @property
    def classes(self) -> Mapping[str, Sequence[Sequence[Any]]]:
        """[name, category id] of the boxes' classes and (name, id, colour) of those of label maps, if they are read.

        Raises:
            UserError: if only label maps are wanted, and no object has an outline.
        """
        found: dict[str, Sequence[Sequence[Any]]] = {}
        if "mask" in self.targets:
            first = next(iter(self.instances.values()))
            if any(content.outlined.any() for content in self.instances.values()):
                found["mask"] = self.mask_classes.entries
            elif "boxes" not in self.targets:
                raise UserError(f"{first.path} has no polygons and no masks to draw label maps of (segmentation)")
        if "boxes" in self.targets:
            found["boxes"] = [[name, number] for name, number in self.categories]
        return found

    @property
    def train_source(self) -> Path:
        """The JSON file of the training split."""
        return self.instances["train"].path

    def open_side(self, side: Side) -> AnnotatedFiles:
        """All images of a split, in the order of its file."""
        source = self.source(side)
        if source is None:
            raise self.missing(side)
        if not source.images.is_dir():
            raise self.without_images(source)
        content = self.instances[side]
        files, notes = find_files(source.images, content.files, content.image_ids, source.annotations)
        unsaid: NDArray[np.bool_] = (content.sizes == 0).any(1)
        sizes = complete_sizes(
            content.sizes, source.images, files, upright=self.upright is True, source=content.path.name
        )
        check_meaning(content.boxes, sizes[content.owners], content.path)
        boxes, masks = self.boxes(content, sizes), self.masks(content, sizes)
        if boxes is not None:
            notes.append(boxes.repairs.line(source.annotations))
        if masks is not None and not content.outlined.all():
            count = len(content.outlined) - content.outlined.sum()
            notes.append(f"{content.path.name}: {count} objects have only a box, which is void in label maps")
        if side == next(iter(self.instances)):
            notes.append(self.phantoms())
        for line in (*content.notes, *notes):
            if line:
                print(line, flush=True)
        return AnnotatedFiles(
            source.images,
            files,
            source=source.annotations,
            boxes=boxes,
            masks=masks,
            upright=self.upright,
            unsaid=unsaid,
        )

    def numbers(self, content: Instances) -> NDArray[np.int64]:
        """(A,) class numbers of a file's annotations."""
        number = {category: place for place, (_, category) in enumerate(self.categories)}
        labels = np.array([number.get(category, -1) for _, category in content.categories], np.int64)
        return labels[content.kinds]

    def boxes(self, content: Instances, sizes: NDArray[np.int64]) -> PackedBoxes | None:
        """The boxes of a file; None if they are not read."""
        if "boxes" not in self.targets:
            return None
        return PackedBoxes(
            content.image_ids,
            sizes,
            content.owners,
            content.boxes,
            self.numbers(content),
            content.areas,
            content.crowd,
            content.ids,
        )

    def masks(self, content: Instances, sizes: NDArray[np.int64]) -> PolygonMasks | None:
        """The label maps of a file; None if they are not read, or it has no outlines."""
        if content.shapes is None or "mask" not in self.classes:
            return None
        classes = self.mask_classes
        labels = np.where(content.outlined, self.numbers(content) + classes.first, VOID)
        return PolygonMasks(
            [name for name, *_ in classes.entries],
            sizes,
            content.owners,
            labels,
            content.shapes,
            source=content.path,
            background=classes.background,
            name=lambda place: f"annotation {content.ids[place]}",
        )

    def phantoms(self) -> str:
        """A line about categories without an annotation; '' if there is nothing to say."""
        return ""
