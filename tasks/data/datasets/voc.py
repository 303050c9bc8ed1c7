"""Pascal VOC (Everingham et al., IJCV 2010) in its official layout, and data sets with the same layout."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple
from xml.etree import ElementTree

import numpy as np

from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles, absent, are_missing
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.opening import open_file, reason
from tasks.data.files.walk import found_in, images_in

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip
LARGEST_XML = 32_000_000  # bytes
BELOW = (".", "VOC2012", "VOCdevkit/VOC2012", "VOC2007", "VOCdevkit/VOC2007")  # folders that the downloads unpack to


class Object(NamedTuple):
    """One object of an annotation file; its box is x, y, width, height, counted from 0."""

    name: str
    box: tuple[float, float, float, float]
    difficult: bool


class Marked(NamedTuple):
    """Content of an annotation file."""

    size: tuple[int, int]  # height, width
    objects: list[Object]


class Voc:
    """`<root>/VOC2012/` or `<root>` itself, with JPEGImages, Annotations/*.xml and ImageSets/Main/<split>.txt.

    Scored by COCO's rules, not by VOC's own metric. Difficult objects are left out of training and ignored in scoring
    as COCO ignores crowds: finding one is neither right nor wrong.

    Args:
        root: the folder, or the one above it.
        train_split, val_split: lists in ImageSets/Main.
        classes: "official" for the 20 of VOC; "found" for those of the training split's files, sorted by name; or their
            names in the order of their numbers.

    Raises:
        UserError: for any other classes.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        train_split: str = "train",
        val_split: str = "val",
        classes: Literal["official", "found"] | Sequence[str] = "official",
    ) -> None:
        self.root, self.train_split, self.val_split = Path(root), train_split, val_split
        self.wanted = check_classes(classes)
        places = [self.root / below for below in BELOW]
        self.folder = next((place for place in places if (place / "JPEGImages").is_dir()), self.root)

    @cached_property
    def names(self) -> list[str]:
        """Names of the classes, in the order of their numbers."""
        if self.wanted == "official":
            return list(CLASSES)
        if not isinstance(self.wanted, str):
            return list(self.wanted)
        split = self.train_split if self.list_of(self.train_split).is_file() else self.val_split
        names = {thing.name for marked in self.marked(self.stems(split)) for thing in marked.objects}
        if not names:
            raise UserError(f"dataset.classes=found finds none: no image of {self.list_of(split)} has an object")
        return sorted(names)

    @property
    def classes(self) -> Mapping[str, Sequence[Sequence[str | int]]]:
        """[name, category id] of the classes; ids count from 1, since VOC has none."""
        return {"boxes": [[name, number] for number, name in enumerate(self.names, 1)]}

    def train(self) -> AnnotatedFiles:
        """The training images.

        Raises:
            UserError: for a missing split or file, an error in one, or no box in any.
        """
        files = self.files(self.train_split)
        files.must_teach(self.list_of(self.train_split))
        return files

    def val(self) -> AnnotatedFiles:
        """The images to score.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """
        return self.files(self.val_split)

    def files(self, split: str) -> AnnotatedFiles:
        """All images of a split, in the order of its list, numbered from 1."""
        stems = self.stems(split)
        file_of = {Path(name).stem: name for name in images_in(self.folder / "JPEGImages")}
        marked = self.marked(stems)
        number = {name: place for place, name in enumerate(self.names)}
        for stem, one in zip(stems, marked, strict=True):
            for thing in one.objects:
                if thing.name not in number:
                    some = f"{', '.join(self.names[:8])}{', …' if len(number) > 8 else ''}"
                    raise UserError(f"{self.xml(stem)} has an object of class {thing.name}, which is none of {some}")
        objects = [thing for one in marked for thing in one.objects]
        boxes = np.array([thing.box for thing in objects], np.float64).reshape(-1, 4)
        owners = np.repeat(np.arange(len(stems)), [len(one.objects) for one in marked])
        packed = PackedBoxes(
            np.arange(1, len(stems) + 1),
            np.array([one.size for one in marked], np.int64),
            owners,
            boxes,
            np.array([number[thing.name] for thing in objects], np.int64),
            boxes[:, 2] * boxes[:, 3],
            np.array([thing.difficult for thing in objects], np.bool_),
            ids=owners,  # the boxes have no ids; messages name their file
        )
        files = [file_of.get(stem, f"{stem}.jpg") for stem in stems]
        images, source = self.folder / "JPEGImages", self.folder / "Annotations"
        if lost := absent(images, files):
            raise are_missing(lost, images, files, packed.image_ids, source)
        samples = AnnotatedFiles(images, files, source=source, boxes=packed)
        repaired = packed.repairs.line(self.list_of(split), lambda owner: self.xml(stems[owner]).name)
        if repaired:
            print(repaired, flush=True)
        return samples

    def list_of(self, split: str) -> Path:
        """The file that lists a split's images."""
        return self.folder / "ImageSets" / "Main" / f"{split}.txt"

    def xml(self, stem: str) -> Path:
        """The annotation file of an image."""
        return self.folder / "Annotations" / f"{stem}.xml"

    def stems(self, split: str) -> list[str]:
        """Names of a split's images without suffix."""
        path = self.list_of(split)
        if not path.is_file():
            raise UserError(f"no data set at {self.root}: {path} is missing\n{self.layout()}")
        try:
            lines = path.read_text("utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise UserError(f"{path} is not a text in UTF-8: {error}") from error
        stems = [self.stem_of(line.strip()) for line in lines if line.strip()]
        if not stems:
            raise UserError(f"{path} names no image")
        return stems

    def stem_of(self, line: str) -> str:
        """The image named by a line of a list: "Screenshot (3)", or the part before VOC's -1, 0 or 1."""
        name, _, flag = line.rpartition(" ")
        if flag in ("-1", "0", "1") and name.strip() and not self.xml(line).is_file():
            return name.strip()
        return line

    def marked(self, stems: Iterable[str]) -> list[Marked]:
        """Content of the images' annotation files."""
        return [read_annotation(self.xml(stem)) for stem in stems]

    def layout(self) -> str:
        """The expected tree and what was found."""
        return (
            f"expected:\n  {self.folder}/JPEGImages/*.jpg\n  {self.folder}/Annotations/*.xml\n"
            f"  {self.folder}/ImageSets/Main/{{{self.train_split},{self.val_split}}}.txt\n"
            f"found: {found_in(self.folder)}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )


def check_classes(classes: object) -> str | list[str]:
    """Check Voc's `classes`: one of two words, or distinct names."""
    if classes in ("official", "found"):
        return str(classes)
    if isinstance(classes, str) or not isinstance(classes, Sequence) or not classes:
        raise UserError(f"dataset.classes={classes} is not one of official, found, [name, …]")
    names = [str(name) for name in classes]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"dataset.classes={classes} names {name} {names.count(name)} times")
    return names


def read_annotation(path: Path) -> Marked:
    """An annotation file. VOC counts pixels from 1 and includes the last: its 1 to 10 is 0 to 10 here.

    Raises:
        UserError: if it cannot be read, is incomplete, or has an image without pixels or a box of negative size.
    """
    try:
        root = ElementTree.fromstring(read_xml(path))  # it resolves no external entities
        size = (int(text(root, "size/height", path)), int(text(root, "size/width", path)))
        if not all(0 < side < 2**31 for side in size):
            raise UserError(f"{path}: the image has width {size[1]} and height {size[0]}")
        return Marked(size, [read_object(node, path) for node in root.iter("object")])
    except ElementTree.ParseError as error:
        raise UserError(f"{path} is not XML: {error}") from error
    except (ValueError, LookupError, OverflowError) as error:  # an unknown encoding; "inf" as a whole number
        raise UserError(f"{path}: {error}") from error


def read_xml(path: Path) -> bytes:
    """The text of an XML file.

    Raises:
        UserError: if it cannot be read, is implausibly large, or defines entities: a few nested ones would fill all
            memory.
    """
    try:
        with open_file(path) as file:
            content = file.read(LARGEST_XML + 1)
    except OSError as error:
        raise UserError(f"cannot read {path}: {reason(path, error)}") from error
    if len(content) > LARGEST_XML:
        raise UserError(f"cannot read {path}: it has more than {LARGEST_XML:,} bytes")
    if b"<!ENTITY" in content.replace(b"\0", b""):  # in UTF-16 every other byte is 0
        raise UserError(f"cannot read {path}: it defines XML entities, which no annotation needs")
    return content


def read_object(node: ElementTree.Element, path: Path) -> Object:
    """One object."""
    name = text(node, "name", path)
    left, top, right, bottom = (float(text(node, f"bndbox/{edge}", path)) for edge in ("xmin", "ymin", "xmax", "ymax"))
    box = (left - 1, top - 1, right - left + 1, bottom - top + 1)
    if box[2] < 0 or box[3] < 0:
        raise UserError(f"{path}: {name} from {left:g}, {top:g} to {right:g}, {bottom:g}: a negative width or height")
    return Object(name, box, node.findtext("difficult", "0").strip().lower() in ("1", "true"))


def text(node: ElementTree.Element, key: str, path: Path) -> str:
    """Text of an element below a node."""
    found = node.findtext(key)
    if found is None:
        raise UserError(f"{path}: {node.tag} lacks {key}")
    if not found.strip():
        raise UserError(f"{path}: {node.tag} has an empty {key}")
    return found.strip()
