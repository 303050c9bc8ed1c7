"""Images and label maps in any two folders, or one."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tasks.common.errors import UserError, not_one_of
from tasks.common.palette import Colour, class_colours
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.mask_class_files import place_of, usual_file
from tasks.data.datasets.mask_folders import Folders, find_folders
from tasks.data.datasets.mask_pairs import reported
from tasks.data.datasets.masked_images import MaskedImages
from tasks.data.datasets.two_sides import Side, TwoSides
from tasks.data.files.class_files import ClassFiles, ResizedMasks
from tasks.data.files.class_lists import listed, read_list, typed
from tasks.data.files.class_scan import find_classes
from tasks.data.files.class_values import ClassValues
from tasks.data.files.masks import LabelFiles, Masks
from tasks.data.files.orientation import Upright
from tasks.data.files.pairs import Pairs, find_pairs

Class = tuple[str, int, Colour]


class MaskFolders(TwoSides[MaskedImages]):
    """Images with label files that are found by patterns of paths below one folder.

    Args:
        root: the folder of everything.
        images: a folder of images, or a pattern with {stem}; both may hold {split} and other {names}. None for a usual
            one: images, {split}/images, {split}, …
        masks: likewise of the label files; with {stem} or {class}, a pattern of whole paths. A file for each {class}
            holds the pixels of that class alone.
        template: names of label files in the folder `masks`; None for what fits the images.
        train_split, val_split: texts for {split}, or text files below root that name images; None for a usual one.
        val: see DrawnSplit; drawn from the training images, or from all if there is no split.
        classes: {name: value, values, colour or colours}, [name, …], a file that lists them, "palette" or "found"; None
            for class_dict.csv or the like if there is one, otherwise "found".
        ignore: values or colours that are void; "others" for all that are not listed.
        background: name of class 0 if there is a file for each class; None if the pixels of no class are void.
        nearest: an unlisted value or colour counts as the nearest listed one.
        alpha: label maps are the alpha channels of their files.
        resize_masks: label maps of another size than their image are resized.
        unlabelled: "skip" leaves out images without label file; "refuse" raises.
        upright: see AnnotatedFiles.

    Raises:
        UserError: for missing folders, images without label files, or values that mean nothing.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        images: str | None = None,
        masks: str | None = None,
        template: str | None = None,
        train_split: str | None = None,
        val_split: str | None = None,
        val: Mapping[str, Any] | None = None,
        classes: Any = None,
        ignore: Any = None,
        background: str | None = "background",
        nearest: bool = False,
        alpha: bool = False,
        resize_masks: bool = False,
        unlabelled: Literal["refuse", "skip"] = "refuse",
        upright: Upright = "auto",
    ) -> None:
        if unlabelled not in (choices := ("refuse", "skip")):
            raise UserError(f"dataset.unlabelled={unlabelled} {not_one_of(unlabelled, choices)}")
        super().__init__(DrawnSplit.of(val))
        self.root, self.template = Path(root), template
        self.images, self.masks, self.train_split, self.val_split = images, masks, train_split, val_split
        self.wanted, self.ignore, self.background = typed(classes), ignore, background
        self.nearest, self.resize_masks, self.unlabelled, self.upright = nearest, resize_masks, unlabelled, upright
        self.alpha = alpha
        self.made: dict[str, Pairs] = {}

    @cached_property
    def folders(self) -> Folders:
        """The patterns and splits, with what was not given found."""
        folders = find_folders(
            self.root, self.images, self.masks, self.template, self.train_split, self.val_split, self.drawn is not None
        )
        if folders.found:
            print(f"found {', '.join(folders.found)}", flush=True)
        return folders

    @cached_property
    def values(self) -> ClassValues:
        """What the values of label files mean. Not used if there is a file for each class."""
        wanted, ignore = self.wanted, self.ignore
        if wanted is None:
            wanted = usual_file(self.class_folders()) or "found"
        if isinstance(wanted, str) and wanted not in ("found", "palette"):
            return ClassValues(
                read_list(place_of(wanted, self.class_folders())), ignore, nearest=self.nearest, alpha=self.alpha
            )
        if isinstance(wanted, str):
            paths = sorted({self.root / row[0] for split in self.folders.splits for row in self.pairs(split).labels})
            classes, ignore = find_classes(paths, ignore, palette=wanted == "palette", alpha=self.alpha)
            return ClassValues(classes, ignore, nearest=self.nearest, alpha=self.alpha, found=True)
        return ClassValues(listed(wanted), ignore, nearest=self.nearest, alpha=self.alpha)

    def class_folders(self) -> list[Path]:
        """Folders in which a file of classes is looked for."""
        return [self.root, *(self.root / self.folders.masks_of(split).folder for split in self.folders.splits)]

    @cached_property
    def class_names(self) -> list[str]:
        """Texts for {class}, in the order of the class numbers."""
        there = sorted({name for split in self.folders.splits for name in self.pairs(split).classes})
        wanted = self.wanted
        if wanted is None or wanted == "found":
            return there
        if not isinstance(wanted, list | tuple):
            raise UserError(
                f"dataset.classes={wanted}: with a file for each {{class}}, a list of names ({', '.join(there)})"
            )
        if missing := [str(name) for name in wanted if str(name) not in there]:
            raise UserError(f"dataset.classes names {missing[0]}, but the label files are of {', '.join(there[:8])}")
        return [str(name) for name in wanted]

    @cached_property
    def classes(self) -> Mapping[str, Sequence[Class]]:
        """Name, id in label files and colour of each class."""
        if not self.folders.by_class:
            return {"mask": self.values.classes}
        names = [*([self.background] if self.background else []), *self.class_names]
        return {
            "mask": [
                (name, id, colour) for id, (name, colour) in enumerate(zip(names, class_colours(names), strict=True))
            ]
        }

    def pairs(self, split: str) -> Pairs:
        """Images and label files of a split; '' if there is no split.

        Raises:
            UserError: if there are none, or images without a label file.
        """
        if split not in self.made:
            folders = self.folders
            found = find_pairs(self.root, folders.images_of(split), folders.masks_of(split))
            chosen = folders.chosen(found, split)
            images, labels = folders.images_of(split), folders.masks_of(split).text
            self.made[split] = reported(chosen, self.root, images, labels, skip=self.unlabelled == "skip")
        return self.made[split]

    def names_to_draw(self) -> Sequence[str]:
        """The images' paths below the root."""
        return self.pairs(self.folders.train).images

    def open_side(self, side: Side) -> MaskedImages:
        """A split's images with their label maps."""
        split = self.folders.train if side == "train" else self.folders.val
        pairs = self.pairs(split)
        folder = self.root / self.folders.images_of(split).folder
        files = [(self.root / file).relative_to(folder).as_posix() for file in pairs.images]
        masks = self.label_maps(pairs)
        if self.resize_masks:
            masks = ResizedMasks(masks, [str(self.root / file) for file in pairs.images], self.upright)
        return MaskedImages(folder, files, source=self.root, masks=masks, upright=self.upright)

    def label_maps(self, pairs: Pairs) -> Masks:
        """The label maps of pairs, in their files' sizes."""
        if not self.folders.by_class:
            return LabelFiles([self.root / row[0] for row in pairs.labels], self.values.names, self.values)
        place = {name: number for number, name in enumerate(pairs.classes)}
        rows = [
            [
                str(self.root / row[place[name]]) if name in place and row[place[name]] else ""
                for name in self.class_names
            ]
            for row in pairs.labels
        ]
        names = [name for name, _, _ in self.classes["mask"]]
        return ClassFiles(rows, names, background=self.background is not None, nearest=self.nearest, alpha=self.alpha)
