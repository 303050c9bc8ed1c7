"""Folders of images with LabelMe's JSON files (github.com/wkentaro/labelme)."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.common.palette import BLACK, Colour, palette
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.class_names import check_classes, listed, typed
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.header_sizes import complete_sizes
from tasks.data.datasets.labelme_images import find_images
from tasks.data.datasets.labelme_objects import Objects, draw_masks, join_shapes, pack_boxes
from tasks.data.datasets.targets import check_targets
from tasks.data.datasets.two_sides import AnnotatedSides, Side
from tasks.data.files.labelme_json import LabelledShapes, read_shapes
from tasks.data.files.orientation import Upright
from tasks.data.files.split_names import spellings
from tasks.data.files.stems import files_with, stamps_of
from tasks.data.files.walk import found_in

BACKGROUND, IGNORED = "_background_", "__ignore__"  # labels with a meaning in LabelMe's own converters


class Labelme(AnnotatedSides):
    """`<root>/**/*.json` beside their images, or with paths to them; or `<root>/{train,val}/` of the same.

    Rectangles, polygons and circles of one label and group are one object. The label `_background_` is the background,
    and the pixels of `__ignore__` are void. Lines and points have no area: they are counted and left out.

    Args:
        root: the folder.
        images: another folder of the images, below root; None to follow the JSON files.
        train_split, val_split: names of folders below root.
        val: how validation images are drawn from the training images: see DrawnSplit.
        classes: "found" for the labels of the training files, sorted by name; or their names in the order of their
            numbers.
        background: name of class 0 of label maps, the pixels without an object; None if they are void.
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
        train_split: str = "train",
        val_split: str = "val",
        val: Mapping[str, Any] | None = None,
        classes: Literal["found"] | Sequence[str] = "found",
        background: str | None = "background",
        upright: Upright = "auto",
        targets: Sequence[str] = ("boxes",),
    ) -> None:
        self.targets = check_targets(targets, "mask, boxes")
        self.root, self.images = Path(root), None if images is None else Path(root) / images
        self.wanted = check_classes(classes, ("found",))
        super().__init__(DrawnSplit.of(val))
        self.background, self.upright = background, upright
        self.splits = {"train": train_split, "val": val_split}
        self.opened: dict[str, tuple[Path, list[str], LabelledShapes]] = {}

    def folder_of(self, side: Side) -> Path | None:
        """The folder of a side; None if there is none."""
        names = spellings(self.splits[side])
        return next((self.root / name for name in names if (self.root / name).is_dir()), None)

    def open(self, side: Side) -> tuple[Path, list[str], LabelledShapes]:
        """The folder of a side, its JSON files and their content, read once.

        Raises:
            UserError: for a missing side, or an error in a file.
        """
        if side not in self.opened:
            folder = self.folder_of(side)
            if folder is None and self.drawn is not None and side == "train":
                folder = self.root
            if folder is None or not folder.is_dir():
                raise self.missing(self.splits[side])
            files = files_with(folder, ".json")
            if not files:
                raise UserError(f"no data set at {folder}: no JSON file of LabelMe (found: {found_in(folder)})")
            self.opened[side] = folder, files, read_shapes(stamps_of(folder, files))
        return self.opened[side]

    def missing(self, split: str) -> UserError:
        """Error for a split without a folder, with the way out."""
        if not self.root.is_dir():
            return UserError(f"no data set at {self.root}: no such folder; set dataset.root=…")
        key = "val_split" if split == self.splits["val"] else "train_split"
        return UserError(
            f"{self.root} has no folder {split}: dataset.val.share=0.2 draws a fifth of the images to score, or "
            f"dataset.{key}=… names it (found: {found_in(self.root)})"
        )

    @cached_property
    def names(self) -> list[str]:
        """Names of the objects' classes, in the order of their numbers."""
        if not isinstance(self.wanted, str):
            return list(self.wanted)
        evaluated = self.drawn is None and self.folder_of("train") is None and self.folder_of("val") is not None
        folder, _, content = self.open("val" if evaluated else "train")
        drawn = {content.labels[kind] for kind in np.unique(content.kinds[content.lengths > 0])}
        found = sorted(drawn - {BACKGROUND, IGNORED, self.background})
        if not found:
            raise UserError(f"dataset.classes=found finds none: no file of {folder} has a rectangle or polygon")
        print(f"{folder.name}: {len(found)} classes found: {listed(found)}", flush=True)
        return found

    @property
    def classes(self) -> Mapping[str, Sequence[Any]]:
        """[name, number from 1] of the boxes' classes; name, number and colour of the label maps' classes."""
        kinds: dict[str, Sequence[Any]] = {}
        numbered = list(enumerate(self.names, 1))
        if "mask" in self.targets:
            first: list[tuple[str, int, Colour]] = [] if self.background is None else [(self.background, 0, BLACK)]
            colours = palette(len(self.names))
            kinds["mask"] = first + [(name, number, colours[number - 1]) for number, name in numbered]
        if "boxes" in self.targets:
            kinds["boxes"] = [[name, number] for number, name in numbered]
        return kinds

    def found_names(self) -> list[str] | None:
        """See AnnotatedSides."""
        return self.names if isinstance(self.wanted, str) else None

    @property
    def train_source(self) -> Path:
        """The folder of the training images."""
        return self.open("train")[0]

    def open_side(self, side: Side) -> AnnotatedFiles:
        """All images of a side, by the names of their JSON files, numbered from 1."""
        folder, jsons, content = self.open(side)
        images, files = find_images(folder, jsons, content, self.images)
        sizes = complete_sizes(content.sizes, images, files, upright=self.upright is True, source=folder.name)
        objects = join_shapes(content)
        labels = self.labels(folder, jsons, content, objects)
        for line in self.notes(folder.name, content, labels):
            print(line, flush=True)
        boxes = masks = None
        if "boxes" in self.targets:
            boxes = pack_boxes(objects, labels, sizes)
            if repaired := boxes.repairs.line(folder, lambda owner: jsons[owner]):
                print(repaired, flush=True)
        if "mask" in self.targets:
            names = [name for name, _, _ in self.classes["mask"]]
            sources = [folder / json for json in jsons]
            masks = draw_masks(objects, labels, sizes, names, sources, has_background=self.background is not None)
        return AnnotatedFiles(
            images,
            files,
            source=folder,
            boxes=boxes,
            masks=masks,
            upright=self.upright,
            unsaid=(content.sizes == 0).any(1),
        )

    def labels(
        self, folder: Path, jsons: Sequence[str], content: LabelledShapes, objects: Objects
    ) -> NDArray[np.int64]:
        """(A,) class numbers of the objects; -1 of the background, 255 for void.

        Raises:
            UserError: for a label that is no class.
        """
        number = {BACKGROUND: -1, IGNORED: VOID} | {self.background or BACKGROUND: -1}
        number |= {name: place for place, name in enumerate(self.names)}
        table = np.array([number.get(label, -2) for label in content.labels], np.int64)
        labels = table[objects.kinds]
        for place in np.flatnonzero(labels == -2)[:1]:
            name, path = content.labels[objects.kinds[place]], folder / jsons[objects.owners[place]]
            what = f"{path} has a shape of label {name}, which is none of {listed(self.names)}"
            if not isinstance(self.wanted, str):
                raise UserError(f"{what}: add it to dataset.classes")
            raise UserError(
                f"{what}: the training files have none; {typed([*self.names, name])} scores it all the same"
            )
        return labels

    def notes(self, source: str, content: LabelledShapes, labels: NDArray[np.int64]) -> list[str]:
        """Lines about what is left out."""
        lines, other = int((content.lengths == 0).sum()), int((labels == -1).sum())
        ignored = int((labels == VOID).sum())
        said = [f"{lines} points, lines and polygons of two points are left out: they have no area"] if lines else []
        if "boxes" in self.targets and other + ignored:
            said.append(f"{other + ignored} shapes of {self.background or BACKGROUND} or {IGNORED} are no boxes")
        return [f"{source}: {line}" for line in said]
