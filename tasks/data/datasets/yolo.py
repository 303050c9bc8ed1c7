"""YOLO's format, a label file for each image: of Ultralytics, Roboflow, Darknet, LabelImg, CVAT and Label Studio."""

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.image_lists import images_of
from tasks.data.files.listings import Listings, Stamp
from tasks.data.files.orientation import SIDEWAYS, Upright
from tasks.data.files.sizes import sizes_of
from tasks.data.files.yolo_files import Labelled, read_labelled
from tasks.data.files.yolo_rows import Format
from tasks.data.files.yolo_yaml import Description, describe


class Yolo:
    """Images with a text file each: `class cx cy w h`, or a class and a polygon, as fractions of the image.

    Args:
        root: a folder that holds data.yaml, Darknet's obj.data, or classes.txt.
        data: one of these two files instead.
        train_split, val_split: the splits' names there; val is also found as valid or validation.
        val: share, seed and group of validation images that are drawn from the training split, see DrawnSplit.
        targets: kinds of labels to read.
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
        upright: Upright = "auto",
    ) -> None:
        self.place = Path(root if data is None else data).absolute()
        if not self.place.exists():
            key = f"root={root}" if data is None else f"data={data}"
            raise UserError(
                f"dataset.{key}: no such file or folder; set dataset.data=<data.yaml> or dataset.root=<folder>"
            )
        self.splits = {"train": train_split, "val": val_split}
        self.drawn, self.targets, self.upright = DrawnSplit.of(val), tuple(targets), upright
        self.listings = Listings()
        self.read: dict[str, AnnotatedFiles] = {}

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

    @property
    def classes(self) -> Mapping[str, Sequence[Sequence[str | int]]]:
        """[name, number in the files] of the classes."""
        return {"boxes": [[name, number] for number, name in enumerate(self.description.names)]}

    def train(self) -> AnnotatedFiles:
        """The training images.

        Raises:
            UserError: for a missing split or file, an error in one, or no box in any.
        """
        files = self.files("train")
        if self.drawn is not None:
            files = files.of(self.sides(files)[0])
        files.must_teach(self.description.source)
        return files

    def val(self) -> AnnotatedFiles:
        """The images to score.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """
        if self.drawn is None:
            return self.files("val")
        files = self.files("train")
        return files.of(self.sides(files)[1])

    def sides(self, files: AnnotatedFiles) -> tuple[list[int], list[int]]:
        """Numbers of the images to train on, and of those to score."""
        assert self.drawn is not None
        return self.drawn.sides([files.files[index] for index in range(len(files))])

    def files(self, use: str) -> AnnotatedFiles:
        """All images of the split for "train" or "val"."""
        if use not in self.read:
            self.read[use] = self.open(self.splits[use])
        return self.read[use]

    def open(self, split: str) -> AnnotatedFiles:
        """Read a split."""
        said = self.description
        what = f"{said.source}: {split}"
        parts = said.parts(split)
        if not parts:
            raise UserError(
                f"{said.source} names no split {split} (it has {', '.join(said.splits) or 'none'}): "
                f"{self.way_out(split)}"
            )
        try:
            images = images_of(parts, said.folders, self.listings, what)
        except UserError as error:
            raise UserError(f"{error}; {self.way_out(split)}") from error
        form = Format(len(said.names), said.keypoints)
        labelled = read_labelled(images.stamps, form, self.listings, what)
        folder, files = below_one_folder([path for path, _, _ in images.stamps])
        boxes = self.boxes(images.stamps, labelled)
        repairs = boxes.repairs.line(said.source, lambda owner: labelled.labels[owner])
        for line in (*images.notes, *labelled.notes, repairs):
            if line:
                print(line, flush=True)
        unsaid = np.ones(len(files), np.bool_)
        return AnnotatedFiles(folder, files, source=said.source, boxes=boxes, upright=self.upright, unsaid=unsaid)

    def way_out(self, split: str) -> str:
        """What to set when a split is missing."""
        key = next(key for key, name in self.splits.items() if name == split)
        drawn = "dataset.val.share=0.2 draws it from the training images, or " if key == "val" else ""
        return f"{drawn}dataset.{key}_split=<name> reads another"

    def boxes(self, images: Sequence[Stamp], labelled: Labelled) -> PackedBoxes:
        """The boxes in pixels; those of images that cannot be read are left out, which the check of the files reports.

        Raises:
            UserError: for photos with an EXIF turn, if nobody said how they are meant.
        """
        sizes, turns = sizes_of(images)
        turned = np.flatnonzero(turns > 1)
        if len(turned) and self.upright == "auto":
            more = ", …" if len(turned) > 1 else ""
            raise UserError(
                f"{self.description.source}: {len(turned)} of {len(images)} photos have an EXIF turn "
                f"({images[turned[0]][0]}{more}), and YOLO's files do not tell whether the labels are on the upright "
                "picture: set dataset.upright=true if so, as Ultralytics trains, or dataset.upright=false for as stored"
            )
        if self.upright is True:
            sideways = np.flatnonzero(turns >= SIDEWAYS)
            sizes = sizes.copy()
            sizes[sideways] = sizes[sideways, ::-1]
        objects = labelled.objects
        kept = np.isin(objects.owners, np.flatnonzero(sizes.all(1)))
        owners = objects.owners[kept]
        heights, widths = sizes[owners].T
        sides = np.column_stack((widths, heights, widths, heights))
        return PackedBoxes(
            np.arange(1, len(images) + 1),
            np.maximum(sizes, 1),
            owners,
            objects.boxes[kept] * sides,
            objects.labels[kept],
            objects.areas[kept] * heights * widths,
            np.zeros(len(owners), bool),
            ids=owners,  # rows have no ids; messages name their file
        )


def below_one_folder(paths: Sequence[str]) -> tuple[Path, list[str]]:
    """The folder that holds all files, and their paths relative to it."""
    folder = os.path.commonpath({os.path.dirname(path) for path in paths})  # noqa: PTH120 - of 50,000 paths
    return Path(folder), [path[len(folder.rstrip("/")) + 1 :] for path in paths]
