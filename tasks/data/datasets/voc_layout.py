"""Where the images, XML files, label maps and lists of a data set in Pascal VOC's format lie."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

from tasks.common.errors import UserError
from tasks.data.datasets.voc_parts import Folders, Part, find_listed, labelled
from tasks.data.files.split_names import spellings
from tasks.data.files.stems import Stems, any_with, files_with, stem_of
from tasks.data.files.voc_xml import of_cvat
from tasks.data.files.walk import files_below, folders_in, found_in

BELOW = (".", "VOC2012", "VOCdevkit/VOC2012", "VOC2007", "VOCdevkit/VOC2007")  # folders that the downloads unpack to
IMAGES = ("JPEGImages", "images", "Images", "imgs", "img")  # VOC's name, and those of LabelImg's users
ANNOTATIONS = ("Annotations", "annotations", "xmls", "xml", "labels")
MASKS = ("SegmentationClass", "SegmentationClassPNG")  # labelme2voc writes arrays into the first
NO_IMAGES = (*MASKS, "SegmentationObject", "SegmentationClassVisualization")
Target = Literal["boxes", "mask"]


class VocLayout:
    """The folders of a data set: VOC's own with lists in ImageSets, a folder for each split, or all in one.

    Args:
        root: the folder, or the one above it.
        images, annotations: folders below it; None to look for the usual names.
        train_split, val_split: names of lists or folders.
    """

    def __init__(
        self, root: Path, *, images: str | None, annotations: str | None, train_split: str, val_split: str
    ) -> None:
        self.root, self.named = root, (images, annotations)
        self.train_split, self.val_split = train_split, val_split
        places = [root / below for below in BELOW]
        self.folder = next((place for place in places if (place / "JPEGImages").is_dir()), root)

    @cached_property
    def folders(self) -> Folders:
        """The folders of all images."""
        return self.inside(self.folder)

    def inside(self, base: Path) -> Folders:
        """The folders of images, XML files and label maps in a folder; itself where there are none."""
        images = base / self.named[0] if self.named[0] else first_of(base, IMAGES) or base
        named = base / self.named[1] if self.named[1] else None
        found = named or next((base / name for name in ANNOTATIONS if has_xml(base / name)), None)
        if found is None and images != base and not has_xml(images):
            found = only_with_xml(base)
        masks = next((base / name for name in MASKS if has_png(base / name)), base / MASKS[0])
        return Folders(images, found or (images if has_xml(images) else base / ANNOTATIONS[0]), masks)

    def has(self, target: Target) -> bool:
        """Whether there is any label of this kind."""
        folders = next((found for found in map(self.folders_of, (self.train_split, self.val_split)) if found), None)
        folders = folders or self.folders
        return has_xml(folders.annotations) if target == "boxes" else has_png(folders.masks)

    def list_of(self, split: str, targets: Sequence[str]) -> Path:
        """The file that lists a split's images: label maps have lists of their own."""
        lists = self.folder / "ImageSets"
        if "mask" in targets and (lists / "Segmentation").is_dir():
            return lists / "Segmentation" / f"{split}.txt"
        return (lists / "Main" if (lists / "Main").is_dir() else lists) / f"{split}.txt"

    @property
    def has_lists(self) -> bool:
        """Whether the splits are lists."""
        return (self.folder / "ImageSets").is_dir()

    def folders_of(self, split: str) -> Folders | None:
        """The folders of a split that has its own: train/ or images/train/; None if it has none."""
        for name in spellings(split):
            if (self.folder / name / (self.named[0] or ".")).is_dir():
                return self.inside(self.folder / name)
            whole = self.folders
            if (whole.images / name).is_dir() and whole.images != self.folder:
                return Folders(*(folder / name if (folder / name).is_dir() else folder for folder in whole))
        return None

    def exists(self, split: str, targets: Sequence[str]) -> bool:
        """Whether a split has a list or a folder."""
        return self.list_of(split, targets).is_file() if self.has_lists else self.folders_of(split) is not None

    def part(self, split: str, targets: Sequence[str], *, whole: bool = False) -> Part:
        """The images of a split.

        Args:
            targets: kinds of labels to find for each.
            whole: whether all images will do if there are no splits.

        Raises:
            UserError: for a missing split, image or label, or a name that is ambiguous.
        """
        if self.has_lists:
            return self.listed(split, targets)
        folders = self.folders_of(split)
        if folders is None and whole and self.folders_of(self.val_split) is None:
            folders = self.folders
        if folders is None:
            raise self.missing(split, targets)
        if not folders.images.is_dir():
            raise UserError(f"no data set at {self.root}: {folders.images} is missing\n{self.layout(targets)}")
        files = [file for file in files_below(folders.images) if file.split("/")[0] not in NO_IMAGES]
        stems = Stems(folders.images, files)
        for file in files:
            stems.find(stem_of(file))  # raises for two images of a stem
        part = labelled(folders, files, targets, folders.images)
        if part.xml and (folders == self.folders or folders.annotations != self.folders.annotations):
            lone = sorted(set(files_with(folders.annotations, ".xml")).difference(part.xml))
            if lone:
                some = f"{lone[0]}{', …' if len(lone) > 1 else ''}"
                part.notes.append(f"{part.source.name}: {len(lone)} XML files without image left out ({some})")
        return part

    def listed(self, split: str, targets: Sequence[str]) -> Part:
        """The images of a list."""
        path = self.list_of(split, targets)
        if not path.is_file():
            raise self.missing(split, targets)
        folders = self.folders
        files, lost = find_listed(path, Stems(folders.images, files_below(folders.images)))
        if lost:
            more = f" ({len(lost)} of {len(files)} images are missing)" if len(lost) > 1 else ""
            place = lost[0]
            raise UserError(
                f"{path}: image {place + 1} is missing: no file {folders.images / files[place]}.jpg (or of another "
                f"suffix){more}"
            )
        own = path.parent.name == "Segmentation"
        return labelled(folders, files, targets, path, must="mask" if own else "" if "mask" in targets else "boxes")

    def missing(self, split: str, targets: Sequence[str]) -> UserError:
        """Error for a split that is missing, with the way out."""
        if self.has_lists:
            path = self.list_of(split, targets)
            names = sorted(file.stem for file in path.parent.glob("*.txt"))
            there = f"; lists: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}" if names else ""
            draw = f": dataset.train_split={names[0]} dataset.val.share=0.2 draws both" if len(names) == 1 else ""
            return UserError(f"no data set at {self.root}: {path} is missing{there}{draw}\n{self.layout(targets)}")
        for path in sorted(self.folder.glob("*.xml"))[:1] if self.folders.images != self.folder else []:
            if b"<annotations>" in path.read_bytes()[:4096]:
                return of_cvat(path)
        key = "val_split" if split == self.val_split else "train_split"
        labels = "label maps" if "mask" in targets else "XML files"
        if not self.folders.images.is_dir() or not (self.has("boxes") or self.has("mask")):
            return UserError(f"no data set at {self.root}: no images with {labels}\n{self.layout(targets)}")
        return UserError(
            f"{self.root} has no list or folder of the split {split}: dataset.val.share=0.2 draws a fifth of the "
            f"images to score, or dataset.{key}=… names it (found: {found_in(self.folder)})"
        )

    def layout(self, targets: Sequence[str]) -> str:
        """The expected tree and what was found."""
        labels = "SegmentationClass/*.png" if "mask" in targets else "Annotations/*.xml"
        lists = self.list_of(f"{{{self.train_split},{self.val_split}}}", targets) if self.has_lists else None
        kind = "Segmentation" if "mask" in targets else "Main"
        return (
            f"expected:\n  {self.folder}/JPEGImages/*.jpg\n  {self.folder}/{labels}\n"
            f"  {lists or f'{self.folder}/ImageSets/{kind}/{{{self.train_split},{self.val_split}}}.txt'}\n"
            f"found: {found_in(self.folder)}\n"
            "set dataset.root=… or the variable DATA_ROOT; dataset.images=… and dataset.annotations=… name its folders"
        )


def first_of(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of some folders in a folder that exists."""
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def only_with_xml(folder: Path) -> Path | None:
    """The only folder in a folder with XML files directly in it, as annots/ is in some sets."""
    found = [folder / name for name in folders_in(folder) if any(files_with(folder / name, ".xml"))]
    return found[0] if len(found) == 1 else None


def has_xml(folder: Path) -> bool:
    """Whether there is an XML file below a folder."""
    return folder.is_dir() and any_with(folder, ".xml")


def has_png(folder: Path) -> bool:
    """Whether there is a PNG file below a folder."""
    return folder.is_dir() and any_with(folder, ".png")
