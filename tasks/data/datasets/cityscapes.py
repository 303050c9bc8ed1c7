"""Cityscapes (Cordts et al., CVPR 2016) in its official layout, and data sets with the same layout."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from tasks.common.errors import UserError, not_one_of
from tasks.data.datasets.cityscapes_classes import CLASSES, THINGS, TRAIN_ID_CLASSES, LabelKind
from tasks.data.datasets.cityscapes_files import LabelMaps, StreetFiles, TrainIds
from tasks.data.datasets.targets import check_targets
from tasks.data.files.class_lists import listed, read_list, typed
from tasks.data.files.class_scan import find_classes
from tasks.data.files.class_values import ClassValues
from tasks.data.files.instances import pack_instances
from tasks.data.files.masks import LabelFiles
from tasks.data.files.orientation import Upright

PHOTOS = (".png", ".jpg", ".jpeg")
OBJECT_FILES = ("instanceIds", "polygons")  # sources of boxes, first existing one wins


def photos_in(folder: Path) -> list[Path]:
    """The images of a split, sorted; PNG as downloaded, or JPEG."""
    return sorted(path for path in folder.glob("*/*_leftImg8bit.*") if path.suffix.lower() in PHOTOS)


class Cityscapes:
    """`leftImg8bit/<split>/<city>/*_leftImg8bit.png` with `gtFine/<split>/<city>/*_gtFine_<labels>.png`.

    Args:
        root: the folder that holds leftImg8bit and gtFine.
        train_split, val_split: folder names; the test split has no labels to score against.
        labels: "labelIds" as downloaded (mapped in memory), "labelTrainIds" as the official scripts write them, or
            "auto" for the first of the two that exists.
        targets: kinds of labels to read: mask, boxes (of gtFine/<split>/<city>/*_gtFine_instanceIds.png, or of
            *_gtFine_polygons.json).
        upright: see AnnotatedFiles.
        classes: None for Cityscapes' 19, if the files look like it; "official" for them in any case; or your own in the
            same layout: see MaskFolders. Those have no boxes.
        ignore, nearest: of your own classes; see MaskFolders.

    Raises:
        UserError: for a missing or empty folder, an image without label, or the test split.
    """

    classes: Mapping[str, Sequence[Any]] = {
        "mask": CLASSES,
        "boxes": [[label.name, label.label_id] for label in THINGS],
    }

    def __init__(
        self,
        root: str | Path,
        *,
        train_split: str = "train",
        val_split: str = "val",
        labels: Literal["auto", "labelIds", "labelTrainIds"] = "auto",
        targets: Sequence[str] = ("mask",),
        upright: Upright = "auto",
        classes: Any = None,
        ignore: Any = None,
        nearest: bool = False,
    ) -> None:
        if labels not in (choices := ("auto", "labelIds", "labelTrainIds")):
            raise UserError(f"dataset.labels={labels} {not_one_of(labels, choices)}")
        self.targets = check_targets(targets, "mask, boxes, label")
        self.root, self.labels, self.upright = Path(root), labels, upright
        self.train_split, self.val_split = train_split, val_split
        if self.numbering() == "labelTrainIds":  # predicted label maps use the data set's numbering
            self.classes = {**self.classes, "mask": TRAIN_ID_CLASSES}
        self.confirmed, self.own = classes == "official", None
        if classes not in (None, "official"):
            self.own = self.own_classes(typed(classes), ignore, nearest)
            self.classes = {"mask": self.own.classes}
        elif ignore is not None or nearest:
            raise UserError("dataset.ignore and dataset.nearest are for classes of your own: set dataset.classes")

    def own_classes(self, classes: Any, ignore: Any, nearest: bool) -> ClassValues:
        """What the values of the label files mean, by the user's keys."""
        if "boxes" in self.targets:
            raise UserError(
                "dataset.classes: only Cityscapes' own classes have boxes; read masks alone: targets=[mask]"
            )
        if classes in ("found", "palette"):
            kind = self.numbering()
            splits = {*(self.root / "gtFine" / split for split in (self.train_split, self.val_split))}
            paths = sorted(path for split in splits for path in split.glob(f"*/*_gtFine_{kind}.png"))
            if not paths:
                raise UserError(f"no label file in {self.root}/gtFine (*_gtFine_{kind}.png)\n{self.layout()}")
            found, ignore = find_classes(paths, ignore, palette=classes == "palette")
        else:
            found = read_list(self.root / classes) if isinstance(classes, str) else listed(classes)
        return ClassValues(found, ignore, nearest=nearest, found=classes in ("found", "palette"))

    def files(self, split: str) -> StreetFiles:
        """All pairs of a split, in the order of their names."""
        if split == "test":
            raise UserError(
                "the test split cannot be scored here: its labels are withheld (every pixel is void); score on val, "
                "or write label maps with mode=predict input=… and send them to the official server"
            )
        folder = self.root / "leftImg8bit" / split
        if not folder.is_dir():
            raise UserError(f"no data set at {self.root}: {folder} is missing\n{self.layout()}")
        images = photos_in(folder)
        if not images:
            raise UserError(f"no image in {folder}/<city>/ (*_leftImg8bit.png)\n{self.layout()}")
        kind = self.label_kind(images[0])
        labels = self.label_files(images, kind)
        boxes = None
        if "boxes" in self.targets:
            kinds = [name for name in OBJECT_FILES if self.label_of(images[0], name).exists()]
            objects = self.label_files(images, kinds[0] if kinds else OBJECT_FILES[0])
            boxes = pack_instances(objects, {label.name: label.label_id for label in THINGS})
        masks: LabelFiles | None = None
        if "mask" in self.targets and self.own:
            masks = LabelFiles(labels, self.own.names, self.own)
        elif "mask" in self.targets:
            masks = LabelMaps(labels, [label.name for label in CLASSES], TrainIds(kind))
        files = [image.relative_to(folder).as_posix() for image in images]
        source = self.root / "gtFine" / split
        samples = StreetFiles(folder, files, source=source, boxes=boxes, masks=masks, upright=self.upright)
        samples.confirmed = self.confirmed
        return samples

    def label_files(self, images: Sequence[Path], kind: str) -> list[Path]:
        """The label file of each image.

        Raises:
            UserError: for an image without one.
        """
        labels = [self.label_of(image, kind) for image in images]
        have = {path for folder in {label.parent for label in labels} for path in folder.glob(f"*_gtFine_{kind}.*")}
        missing = [(image, label) for image, label in zip(images, labels, strict=True) if label not in have]
        if missing:
            image, label = missing[0]
            more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
            masks = "; for masks alone: heads=[segment], in mixtures targets=[mask]" if kind in OBJECT_FILES else ""
            raise UserError(f"image without label: {image} needs {label}{more}{masks}")
        return labels

    def train(self) -> StreetFiles:
        """The training pairs."""
        return self.files(self.train_split)

    def val(self) -> StreetFiles:
        """The pairs to score."""
        return self.files(self.val_split)

    def numbering(self) -> LabelKind:
        """Kind of the label files, judged by one image of any split; label ids if there is none."""
        splits = (self.root / "leftImg8bit" / split for split in (self.train_split, self.val_split))
        image = next((image for split in splits for image in photos_in(split)), None)
        return self.label_kind(image or self.root / "leftImg8bit" / "train" / "none" / "none_leftImg8bit.png")

    def label_kind(self, image: Path) -> LabelKind:
        """Kind of the label files, judged by this image."""
        if self.labels != "auto":
            return self.labels
        return (
            "labelTrainIds"
            if self.label_of(image, "labelTrainIds").exists() and not self.label_of(image, "labelIds").exists()
            else "labelIds"
        )

    def label_of(self, image: Path, kind: str) -> Path:
        """Path of the label of an image."""
        stem = image.stem.removesuffix("_leftImg8bit")
        suffix = "json" if kind == "polygons" else "png"
        return self.root / "gtFine" / image.parent.parent.name / image.parent.name / f"{stem}_gtFine_{kind}.{suffix}"

    def layout(self) -> str:
        """The expected tree and what was found."""
        found = (
            sorted(path.relative_to(self.root).as_posix() for path in self.root.glob("*"))[:8]
            if self.root.is_dir()
            else []
        )
        return (
            f"expected:\n  {self.root}/leftImg8bit/{{{self.train_split},{self.val_split}}}/<city>/*_leftImg8bit.png\n"
            f"  {self.root}/gtFine/{{{self.train_split},{self.val_split}}}/<city>/*_gtFine_labelIds.png\n"
            f"found: {', '.join(found) if found else 'nothing' if self.root.is_dir() else 'no such folder'}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )
