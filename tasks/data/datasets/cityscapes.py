"""Cityscapes (Cordts et al., CVPR 2016) in its official layout, and data sets with the same layout."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.files.class_lists import listed, read_list
from tasks.data.files.class_scan import find_classes
from tasks.data.files.class_values import ClassValues
from tasks.data.files.images import read_labels
from tasks.data.files.instances import pack_instances
from tasks.data.files.label_values import are_smoothed, edges
from tasks.data.files.masks import LabelFiles
from tasks.data.files.orientation import Upright

MAX_LABEL_ID = 33
EDGES_OF = 16  # files that are searched for smoothed edges


class LabelClass(NamedTuple):
    """One evaluated class. Its train id is its index in CLASSES."""

    name: str
    label_id: int
    colour: tuple[int, int, int]


# fmt: off
CLASSES = (  # the 19 classes of the benchmark, with the label ids of the files and the official colours
    LabelClass("road",           7, (128,  64, 128)),
    LabelClass("sidewalk",       8, (244,  35, 232)),
    LabelClass("building",      11, ( 70,  70,  70)),
    LabelClass("wall",          12, (102, 102, 156)),
    LabelClass("fence",         13, (190, 153, 153)),
    LabelClass("pole",          17, (153, 153, 153)),
    LabelClass("traffic light", 19, (250, 170,  30)),
    LabelClass("traffic sign",  20, (220, 220,   0)),
    LabelClass("vegetation",    21, (107, 142,  35)),
    LabelClass("terrain",       22, (152, 251, 152)),
    LabelClass("sky",           23, ( 70, 130, 180)),
    LabelClass("person",        24, (220,  20,  60)),
    LabelClass("rider",         25, (255,   0,   0)),
    LabelClass("car",           26, (  0,   0, 142)),
    LabelClass("truck",         27, (  0,   0,  70)),
    LabelClass("bus",           28, (  0,  60, 100)),
    LabelClass("train",         31, (  0,  80, 100)),
    LabelClass("motorcycle",    32, (  0,   0, 230)),
    LabelClass("bicycle",       33, (119,  11,  32)),
)
# fmt: on
TRAIN_ID_CLASSES = tuple(label._replace(label_id=number) for number, label in enumerate(CLASSES))
THINGS = tuple(label for label in CLASSES if label.label_id >= 24)  # with separate objects, which have boxes
LabelKind = Literal["labelIds", "labelTrainIds"]
NOT_AN_ID = 254
OWN_CLASSES = "for classes of your own: dataset.classes={name: value, …}, or dataset.classes=found"
PHOTOS = (".png", ".jpg", ".jpeg")
OBJECT_FILES = ("instanceIds", "polygons")  # sources of boxes, first existing one wins


def lookup_table(kind: LabelKind) -> Pixels:
    """(256,) table from a file's ids to train ids; 255 is void, 254 an id that is invalid in such a file."""
    table = np.full(256, NOT_AN_ID, np.uint8)
    if kind == "labelTrainIds":
        table[: len(CLASSES)] = np.arange(len(CLASSES))
        table[VOID] = VOID
    else:
        table[: MAX_LABEL_ID + 1] = VOID
        table[[label.label_id for label in CLASSES]] = np.arange(len(CLASSES))
    return table


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
        if labels not in ("auto", "labelIds", "labelTrainIds"):
            raise UserError(f"dataset.labels={labels} is not one of auto, labelIds, labelTrainIds")
        if (
            not isinstance(targets, Sequence)
            or not targets
            or not {*targets} <= {"mask", "boxes", "label", "multilabel"}
        ):
            raise UserError(f"dataset.targets={targets} is not a list of some of mask, boxes, label")
        self.root, self.labels, self.upright = Path(root), labels, upright
        self.train_split, self.val_split, self.targets = train_split, val_split, tuple(targets)
        if self.numbering() == "labelTrainIds":  # predicted label maps use the data set's numbering
            self.classes = {**self.classes, "mask": TRAIN_ID_CLASSES}
        self.confirmed, self.own = classes == "official", None
        if classes not in (None, "official"):
            self.own = self.own_classes(classes, ignore, nearest)
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
        return ClassValues(found, ignore, nearest=nearest)

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
        files = [str(image.relative_to(folder)) for image in images]
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
            sorted(str(path.relative_to(self.root)) for path in self.root.glob("*"))[:8] if self.root.is_dir() else []
        )
        return (
            f"expected:\n  {self.root}/leftImg8bit/{{{self.train_split},{self.val_split}}}/<city>/*_leftImg8bit.png\n"
            f"  {self.root}/gtFine/{{{self.train_split},{self.val_split}}}/<city>/*_gtFine_labelIds.png\n"
            f"found: {', '.join(found) if found else 'nothing' if self.root.is_dir() else 'no such folder'}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )
