"""YOLO's format, a label file for each image: of Ultralytics, Roboflow, Darknet, LabelImg, CVAT and Label Studio."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.instance_classes import MaskClasses
from tasks.data.datasets.two_sides import AnnotatedSides, Side
from tasks.data.datasets.yolo_split import below_one_folder, boxes_of, labelled_sizes, masks_of
from tasks.data.files.image_lists import images_of
from tasks.data.files.listings import Listings, Stamp
from tasks.data.files.orientation import Upright
from tasks.data.files.yolo_files import Labelled, read_labelled
from tasks.data.files.yolo_rows import Format
from tasks.data.files.yolo_yaml import Description, describe


class Yolo(AnnotatedSides):
    """Images with a text file each: `class cx cy w h`, or a class and a polygon, as fractions of the image.

    Args:
        root: a folder that holds data.yaml, Darknet's obj.data, or classes.txt.
        data: one of these two files instead.
        train_split, val_split: the splits' names there; val is also found as valid or validation.
        val: share, seed and group of validation images that are drawn from the training split, see DrawnSplit.
        targets: kinds of labels to read: boxes, also those around polygons; mask, label maps drawn from polygons.
        background: name of the pixels without an object in label maps; None makes them void.
        upright: whether the labels are on photos rotated by their EXIF orientation, as Ultralytics reads them, or as
            stored. The files do not tell: "auto" refuses such photos.

    Raises:
        UserError: if the file or folder does not exist.
    """

    def __init__(
        self,
        root: str | Path = ".",
        *,
        data: str | Path | None = None,
        train_split: str = "train",
        val_split: str = "val",
        val: Mapping[str, Any] | None = None,
        targets: Sequence[str] = ("boxes",),
        background: str | None = "background",
        upright: Upright = "auto",
    ) -> None:
        self.place = Path(root if data is None else data).absolute()
        if not self.place.exists():
            key = f"root={root}" if data is None else f"data={data}"
            raise UserError(
                f"dataset.{key}: no such file or folder; set dataset.data=<data.yaml> or dataset.root=<folder>"
            )
        self.splits: dict[Side, str] = {"train": train_split, "val": val_split}
        super().__init__(DrawnSplit.of(val))
        self.targets, self.background, self.upright = tuple(targets), background, upright
        self.listings = Listings()
        self.read: dict[str, tuple[Sequence[Stamp], Labelled]] = {}

    @cached_property
    def description(self) -> Description:
        """What the file says.

        Raises:
            UserError: for an error in it.
        """
        found = describe(self.place)
        for note in found.notes:
            print(note, flush=True)
        return found

    @cached_property
    def classes(self) -> Mapping[str, Sequence[Sequence[Any]]]:
        """[name, number in the files] of the boxes' classes, and (name, id, colour) of those of label maps.

        Raises:
            UserError: if only label maps are wanted, and no row is a polygon.
        """
        found: dict[str, Sequence[Sequence[Any]]] = {}
        if "mask" in self.targets:
            if self.has_polygons():
                found["mask"] = self.mask_classes.entries
            elif "boxes" not in self.targets:  # otherwise they are enough
                raise UserError(f"{self.description.source}: all objects are boxes; label maps are drawn of polygons")
        if "boxes" in self.targets or not found:  # for another kind, the caller says that there are only boxes
            found["boxes"] = [list(category) for category in self.categories]
        return found

    @cached_property
    def categories(self) -> list[tuple[str, int]]:
        """(name, number in the files) of each class."""
        return [(name, number) for number, name in enumerate(self.description.names)]

    @cached_property
    def mask_classes(self) -> MaskClasses:
        """Classes of the label maps."""
        return MaskClasses.of(self.categories, self.background)

    def has_polygons(self) -> bool:
        """Whether any object of a split that is named is a polygon."""
        uses: tuple[Side, ...] = ("train",) if self.drawn is not None else ("val", "train")
        named = [self.splits[use] for use in uses if self.description.parts(self.splits[use])]
        return any(self.labelled(split)[1].objects.counts.any() for split in named)

    @property
    def train_source(self) -> Path:
        """The file that describes the data set."""
        return self.description.source

    def open_side(self, side: Side) -> AnnotatedFiles:
        """The images of a split with their labels.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """
        split = self.splits[side]
        images, labelled = self.labelled(split)
        source = self.description.source
        sizes = labelled_sizes(images, self.upright, source, self.images_of_sides)
        boxes = boxes_of(labelled.objects, sizes) if "boxes" in self.targets else None
        masks = None
        if "mask" in self.classes:
            masks = masks_of(labelled, sizes, self.mask_classes, f"{source}: {split}")
        if boxes is not None and (line := boxes.repairs.line(source, lambda owner: labelled.labels[owner])):
            print(line, flush=True)
        folder, files = below_one_folder([path for path, _, _ in images])
        unsaid = np.ones(len(files), np.bool_)
        samples = AnnotatedFiles(
            folder, files, source=source, boxes=boxes, masks=masks, upright=self.upright, unsaid=unsaid
        )
        samples.relative = True
        return samples

    def images_of_sides(self) -> Mapping[str, Sequence[Stamp]]:
        """The images of those splits that can be read, for a message that counts in all of them."""
        uses: tuple[Side, ...] = ("train",) if self.drawn is not None else ("val", "train")
        found = {}
        for use in uses:
            with suppress(UserError):
                found[self.splits[use]] = self.labelled(self.splits[use])[0]
        return found

    def labelled(self, split: str) -> tuple[Sequence[Stamp], Labelled]:
        """The images of a split and their objects, read once."""
        if split not in self.read:
            said = self.description
            what = f"{said.source}: {split}"
            parts = said.parts(split)
            if not parts:
                has = ", ".join(said.splits) or "none"
                raise UserError(f"{said.source} names no split {split} (it has {has}): {self.way_out(split)}")
            try:
                images = images_of(parts, said.folders, self.listings, what)
            except UserError as error:
                raise UserError(f"{error}; {self.way_out(split)}") from error
            form = Format(len(said.names), said.keypoints)
            labelled = read_labelled(images.stamps, form, self.listings, what)
            for line in (*images.notes, *labelled.notes):
                print(line, flush=True)
            self.read[split] = images.stamps, labelled
        return self.read[split]

    def way_out(self, split: str) -> str:
        """What to set when a split is missing."""
        key = next(key for key, name in self.splits.items() if name == split)
        drawn = "dataset.val.share=0.2 draws it from the training images, or " if key == "val" else ""
        return f"{drawn}dataset.{key}_split=<name> reads another"
