"""Cityscapes (Cordts et al., CVPR 2016) in its official layout, and data sets with the same layout."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import decode
from tasks.data.files.images import image_size, look, read_labels
from tasks.data.files.instances import pack_instances

MAX_LABEL_ID = 33


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


class LabelledImages:
    """Pairs of image and label files; `read` decodes one of them.

    Args:
        images, labels: paths, pair by pair.
        kind: what the label files hold.
        boxes: of the images' objects, if requested.
        targets: kinds of labels that are read: mask, boxes.

    Attributes:
        white: see read_rgb.
    """

    white: float | None = None

    def __init__(
        self,
        images: Sequence[Path],
        labels: Sequence[Path],
        kind: LabelKind,
        boxes: PackedBoxes | None = None,
        targets: Sequence[str] = ("mask",),
    ) -> None:
        self.images = np.array([str(path) for path in images])  # packed: workers share it without copying
        self.labels = np.array([str(path) for path in labels])
        self.kind, self.boxes, self.targets = kind, boxes, tuple(targets)
        self.table = lookup_table(kind)

    def __len__(self) -> int:
        return len(self.images)

    def name(self, index: int) -> str:
        """Name of the image in pictures and lists."""
        return Path(self.images[index]).stem.removesuffix("_leftImg8bit")

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image, from its header."""
        return image_size(self.images[index])

    def annotations(self, index: int) -> Annotations:
        """The boxes of all objects and groups of an image, to score against."""
        assert self.boxes is not None
        return self.boxes.annotations(index)

    def read(self, index: int, view: Callable[[Path | Pixels], Pixels] | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3) RGB uint8, and if requested `mask` (H, W) of train ids, uint8, and `bboxes` (K, 5) float32,
        xyxy and class number.

        Args:
            view: makes the image from its path; the labels stay those of the file.

        Raises:
            UserError: for a file that cannot be decoded, an unknown id, or sizes that differ.
        """
        image = decode(Path(self.images[index]), view, self.white)
        sample: dict[str, NDArray[Any]] = {"image": image}
        if "mask" in self.targets:
            ids = read_labels(self.labels[index])
            size = image.shape[:2] if view is None else self.size(index)
            if size != ids.shape:
                raise self.wrong_size(self.labels[index], size, ids.shape)
            sample["mask"] = self.train_ids(ids, index)
        if self.boxes is not None:
            sample["bboxes"] = self.boxes.to_train(index)
        return sample

    @staticmethod
    def wrong_size(labels: str, size: Sequence[int], labelled: Sequence[int]) -> UserError:
        """Error for labels whose height and width are not their image's."""
        return UserError(f"{labels} is {labelled[1]}×{labelled[0]}, its image {size[1]}×{size[0]}")

    def train_ids(self, ids: Pixels, index: int) -> Pixels:
        """Convert one label file's ids to train ids."""
        mask = self.table[ids]
        if (mask == NOT_AN_ID).any():
            wrong = sorted(set(np.unique(ids).tolist()) & set(np.flatnonzero(self.table == NOT_AN_ID).tolist()))
            known = f"0-{MAX_LABEL_ID}" if self.kind == "labelIds" else f"0-{len(CLASSES) - 1} and {VOID}"
            raise UserError(
                f"{self.labels[index]} has id {wrong[0]}, which is no {self.kind[:-1]} of Cityscapes ({known})"
            )
        return mask

    def class_pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,) number of pixels of each class over all label files, without void."""

        def count(index: int) -> NDArray[np.int64]:
            return np.bincount(self.train_ids(read_labels(self.labels[index]), index).ravel(), minlength=256)

        with thread_pool() as pool:
            result: NDArray[np.int64] = np.sum(list(pool.map(count, range(len(self)))), axis=0)[:classes]
            return result

    def check(self) -> Iterator[int]:
        """Check every pair once (image header, all label ids, the objects' sizes) and yield its index.

        Raises:
            UserError: at the first file that training or scoring would fail on; at the end, if every pixel is void.
        """
        seen: set[int] = set()

        def look_at(index: int) -> int:
            size, _ = look(self.images[index], self.white)
            if "mask" in self.targets:
                ids = read_labels(self.labels[index])
                if size != ids.shape:
                    raise self.wrong_size(self.labels[index], size, ids.shape)
                mask = self.train_ids(ids, index)
                if len(seen) < 2:  # two or more classes need no report
                    seen.update(np.unique(mask[mask != VOID]).tolist())
            if self.boxes is not None and size != (said := tuple(self.boxes.sizes[index])):
                raise self.wrong_size(f"instances of {self.name(index)}", size, said)
            return index

        with thread_pool() as pool:  # decoding releases the GIL
            yield from pool.map(look_at, range(len(self)))
        if "mask" in self.targets and len(seen) < 2:
            self.report_classes(seen)

    def report_classes(self, seen: set[int]) -> None:
        """Report that all labelled pixels are of one class.

        Raises:
            UserError: if there is no labelled pixel.
        """
        ids = ", ".join(map(str, np.unique(read_labels(self.labels[0]))[:8]))
        if not seen:
            classes = ", ".join(str(label.label_id) for label in CLASSES[:5]) if self.kind == "labelIds" else "0, 1, 2"
            raise UserError(
                f"every pixel of all {len(self)} label files is void: there is nothing to learn from or to score "
                f"({self.labels[0]} has the ids {ids}; those of classes are {classes}, …)"
            )
        name = CLASSES[next(iter(seen))].name
        print(f"all labelled pixels of {len(self)} label files are of one class, {name} (ids {ids})", flush=True)


class Cityscapes:
    """`leftImg8bit/<split>/<city>/*_leftImg8bit.png` with `gtFine/<split>/<city>/*_gtFine_<labels>.png`.

    Args:
        root: the folder that holds leftImg8bit and gtFine.
        train_split, val_split: folder names; the test split has no labels to score against.
        labels: "labelIds" as downloaded (mapped in memory), "labelTrainIds" as the official scripts write them, or
            "auto" for the first of the two that exists.
        targets: kinds of labels to read: mask, boxes (of gtFine/<split>/<city>/*_gtFine_instanceIds.png, or of
            *_gtFine_polygons.json).

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
    ) -> None:
        if labels not in ("auto", "labelIds", "labelTrainIds"):
            raise UserError(f"dataset.labels={labels} is not one of auto, labelIds, labelTrainIds")
        if not isinstance(targets, Sequence) or not targets or not {*targets} <= {"mask", "boxes", "label"}:
            raise UserError(f"dataset.targets={targets} is not a list of some of mask, boxes, label")
        self.root, self.labels = Path(root), labels
        self.train_split, self.val_split, self.targets = train_split, val_split, tuple(targets)
        if self.numbering() == "labelTrainIds":  # predicted label maps use the data set's numbering
            self.classes = {**self.classes, "mask": TRAIN_ID_CLASSES}

    def files(self, split: str) -> LabelledImages:
        """All pairs of a split, in the order of their names."""
        if split == "test":
            raise UserError(
                "the test split cannot be scored here: its labels are withheld (every pixel is void); score on val, "
                "or write label maps with mode=predict input=… and send them to the official server"
            )
        folder = self.root / "leftImg8bit" / split
        if not folder.is_dir():
            raise UserError(f"no data set at {self.root}: {folder} is missing\n{self.layout()}")
        images = sorted(folder.glob("*/*_leftImg8bit.png"))
        if not images:
            raise UserError(f"no image in {folder}/<city>/ (*_leftImg8bit.png)\n{self.layout()}")
        kind = self.label_kind(images[0])
        labels = self.label_files(images, kind)
        boxes = None
        if "boxes" in self.targets:
            kinds = [name for name in OBJECT_FILES if self.label_of(images[0], name).exists()]
            objects = self.label_files(images, kinds[0] if kinds else OBJECT_FILES[0])
            boxes = pack_instances(objects, {label.name: label.label_id for label in THINGS})
        return LabelledImages(images, labels, kind, boxes, self.targets)

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

    def train(self) -> LabelledImages:
        """The training pairs."""
        return self.files(self.train_split)

    def val(self) -> LabelledImages:
        """The pairs to score."""
        return self.files(self.val_split)

    def numbering(self) -> LabelKind:
        """Kind of the label files, judged by one image of any split; label ids if there is none."""
        splits = (self.root / "leftImg8bit" / split for split in (self.train_split, self.val_split))
        image = next((image for split in splits for image in split.glob("*/*_leftImg8bit.png")), None)
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
        stem = image.name.removesuffix("_leftImg8bit.png")
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
