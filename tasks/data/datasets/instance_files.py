"""Splits of images with boxes in instance files of COCO's format, at any location."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import HOLE
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles, absent, are_missing
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.coco_boxes import check_meaning
from tasks.data.files.coco_json import Instances, read_instances
from tasks.data.files.images import opened_size
from tasks.data.files.names import locate
from tasks.data.files.opening import shown
from tasks.data.files.orientation import Upright

Numbering = Literal["dense", "ids"]
HIGHEST = 9_999  # highest id for dataset.numbering=ids: every gap below it is a class to compute


class Source(NamedTuple):
    """Location of a split: the folder of its images, which may be missing, and its JSON file, which exists."""

    images: Path
    annotations: Path


class InstanceFiles(ABC):
    """Two splits, each of a folder of images and an instances file.

    The categories are those of the training file; those of the validation file if there is no training file, which is
    enough to score a model.

    Args:
        numbering: "dense" numbers the file's categories by ascending id; "ids" uses id - 1 and fills the gaps with
            classes named "-", as most published weights number COCO's 90 ids with 80 categories.
        upright: see AnnotatedFiles.

    Raises:
        UserError: for an unknown numbering.
    """

    def __init__(self, numbering: Numbering, upright: Upright = "auto") -> None:
        if numbering not in ("dense", "ids"):
            raise UserError(f"dataset.numbering={numbering} is not one of dense, ids")
        self.numbering, self.upright = numbering, upright

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
        read = {split: read_instances(source.annotations) for split, source in sources.items()}
        if len(read) == 2:
            same_categories(read["train"], read["val"])
        return read

    @cached_property
    def categories(self) -> list[tuple[str, int]]:
        """(name, id) of each class, in the order of their numbers."""
        first = next(iter(self.instances.values()))
        if self.numbering == "dense":
            return first.categories
        names = {number: name for name, number in first.categories}
        for number in names:
            if not 1 <= number <= HIGHEST:
                raise UserError(
                    f"{first.path}: category id {number} is not between 1 and {HIGHEST:,}: use dataset.numbering=dense"
                )
        return [(names.get(number, HOLE), number) for number in range(1, max(names) + 1)]

    @property
    def classes(self) -> Mapping[str, Sequence[Sequence[str | int]]]:
        """[name, category id] of the classes."""
        return {"boxes": [[name, number] for name, number in self.categories]}

    def train(self) -> AnnotatedFiles:
        """The training images.

        Raises:
            UserError: for a missing split, an error in its file, or no box in it.
        """
        files = self.files("train")
        files.must_teach(self.instances["train"].path)
        return files

    def val(self) -> AnnotatedFiles:
        """The images to score.

        Raises:
            UserError: for a missing split, or an error in its file.
        """
        return self.files("val")

    def files(self, split: str) -> AnnotatedFiles:
        """All images of a split, in the order of its file."""
        source = self.source(split)
        if source is None:
            raise self.missing(split)
        if not source.images.is_dir():
            raise self.without_images(source)
        content = self.instances[split]
        number = {category: place for place, (_, category) in enumerate(self.categories)}
        labels: NDArray[np.int64] = np.array([number[category] for _, category in content.categories], np.int64)
        files, notes = find_files(source.images, content.files, content.image_ids, source.annotations)
        sizes = content.sizes
        unsaid: NDArray[np.bool_] = (sizes == 0).any(1)
        if unsaid.any():
            sizes = complete_sizes(sizes, source.images, files, upright=self.upright is True)
            notes.append(f"{content.path.name}: sizes that it lacks are taken from the images")
        check_meaning(content.boxes, sizes[content.owners], content.path)
        boxes = PackedBoxes(
            content.image_ids,
            sizes,
            content.owners,
            content.boxes,
            labels[content.kinds],
            content.areas,
            content.crowd,
            content.ids,
        )
        for line in (*content.notes, *notes, boxes.repairs.line(source.annotations)):
            if line:
                print(line, flush=True)
        return AnnotatedFiles(
            source.images, files, source=source.annotations, boxes=boxes, upright=self.upright, unsaid=unsaid
        )


def find_files(folder: Path, files: list[str], ids: NDArray[np.int64], source: Path) -> tuple[list[str], list[str]]:
    """The files' names as they are below the folder, and notes about those written differently.

    Raises:
        UserError: for a missing or ambiguous file.
    """
    missing = absent(folder, files)
    if not missing:
        return files, []
    found, problem = locate(folder, files, missing)
    lost = [place for place in missing if place not in found]
    if lost:
        raise are_missing(lost, folder, files, ids, source, problem)
    some = f"{shown(files[missing[0]])} is {shown(found[missing[0]])}"
    more = ", …" if len(missing) > 1 else ""
    note = f"{source.name}: {len(missing)} file names are found by their end or in another case ({some}{more})"
    return [found.get(place, name) for place, name in enumerate(files)], [note]


def complete_sizes(sizes: NDArray[np.int64], folder: Path, files: Sequence[str], *, upright: bool) -> NDArray[np.int64]:
    """(N, 2) heights and widths, with 0 replaced by the sizes in the files' headers, of upright or stored photos.

    Raises:
        UserError: for a file that is not an image.
    """
    places = np.flatnonzero(~sizes.all(1))
    with thread_pool() as pool:
        read = list(pool.map(lambda place: opened_size(folder / files[place]).seen(upright), places))
    sizes = sizes.copy()
    sizes[places] = read
    return sizes


def same_categories(train: Instances, val: Instances) -> None:
    """Raises a UserError for a validation category that is missing in the training file or has another name there."""
    known = {number: name.removesuffix(f" ({number})") for name, number in train.categories}  # see told_apart()
    for full_name, number in val.categories:
        name = full_name.removesuffix(f" ({number})")
        if number not in known:
            raise UserError(f"{val.path}: category {number} ({name}) is not listed in {train.path}")
        if name != known[number]:
            raise UserError(f"{val.path}: category {number} is {name}, but {known[number]} in {train.path}")
