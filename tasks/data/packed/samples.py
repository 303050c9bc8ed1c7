"""A split of a packed data set, any sample of which can be read."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import View, decode
from tasks.data.files.image_labels import ImageLabels
from tasks.data.files.images import read_labels
from tasks.data.files.masks import Masks
from tasks.data.files.opening import HeldFile
from tasks.data.packed.columns import Columns
from tasks.data.packed.shards import Shards, Span


class Members:
    """Files within shards, found by columns.

    Args:
        shards: that hold them.
        numbers: (N,) of the samples in the shards.
        offsets, lengths: (N,) of the bytes, of all samples of the split.
        suffix: of their names in messages.
    """

    def __init__(
        self,
        shards: Shards,
        numbers: NDArray[np.int64],
        offsets: NDArray[np.int64],
        lengths: NDArray[np.int64],
        suffix: str = "",
    ) -> None:
        self.shards, self.numbers, self.offsets, self.lengths = shards, numbers, offsets, lengths
        self.suffix = suffix

    def file(self, index: int, name: str) -> HeldFile:
        """A member, read.

        Raises:
            UserError: for a missing or damaged shard.
        """
        place = int(self.numbers[index])
        number = self.shards.number(place)
        data = self.shards.read(number, Span(int(self.offsets[place]), int(self.lengths[place])))
        return HeldFile.of(f"{self.shards.shards[number].file}/{name}{self.suffix}", data)


class PackedMasks(Masks):
    """Label maps in shards: PNG files of class numbers, 255 for void."""

    def __init__(self, members: Members, sizes: NDArray[np.int64], names: Sequence[str]) -> None:
        self.members, self.sizes, self.names = members, sizes, tuple(names)

    def read(self, index: int) -> Pixels:
        file = self.members.file(index, str(index))
        labels = read_labels(file)
        if ((labels >= len(self.names)) & (labels != VOID)).any():
            raise UserError(f"{file}: it has other classes than the {len(self.names)} of the data set")
        return labels

    def size(self, index: int) -> tuple[int, int]:
        height, width = self.sizes[self.members.numbers[index]].tolist()
        return height, width

    def path(self, index: int) -> Path:
        place = int(self.members.numbers[index])
        shards = self.members.shards
        return Path(shards.shards[shards.number(place)].file) / f"{place}.mask.png"

    def of(self, numbers: Sequence[int]) -> Self:
        some = self.members
        chosen = Members(some.shards, some.numbers[list(numbers)], some.offsets, some.lengths, some.suffix)
        return type(self)(chosen, self.sizes, self.names)


class PackedSamples(ImageLabels):
    """Images and labels of a split, read from shards by index.

    Args:
        source: the file that the labels come from, for messages.
        columns: of the split.
        classes: by kind of label; only these kinds are read.
        upright: see index.Side.

    Attributes:
        white: see read_rgb.
        boxes, masks, labels, multilabel: the labels by kind; None for those that are not read.
        shard_sizes: number of samples of each shard, in order.
    """

    white: float | None = None

    def __init__(
        self,
        shards: Shards,
        columns: Columns,
        classes: Mapping[str, Sequence[Any]],
        *,
        source: Path,
        upright: bool | None,
    ) -> None:
        self.shards, self.columns, self.source = shards, columns, source
        self.upright: bool | str = "auto" if upright is None else upright
        self.shard_sizes = tuple(shard.samples for shard in shards.shards)
        every = np.arange(len(columns["offset"]))
        self.images = Members(shards, every, columns["offset"], columns["length"])
        self.labels: NDArray[np.int64] | None = columns["label"] if "label" in classes else None
        self.multilabel: NDArray[np.uint8] | None = columns["multilabel"] if "multilabel" in classes else None
        self.masks: PackedMasks | None = None
        if "mask" in classes:
            members = Members(shards, every, columns["mask_offset"], columns["mask_length"], ".mask.png")
            self.masks = PackedMasks(members, columns["mask_sizes"], [str(entry[0]) for entry in classes["mask"]])
        self.boxes: PackedBoxes | None = None
        if "boxes" in classes:
            self.boxes = boxes_of(columns)

    def __len__(self) -> int:
        return len(self.columns["offset"])

    def name(self, index: int) -> str:
        """The name that the image had before it was packed, usable as a file name."""
        ends = self.columns["name_ends"]
        text = bytes(self.columns["names"][ends[index] : ends[index + 1]]).decode(errors="replace")
        return text.replace("/", "__")

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image as it is read."""
        height, width = self.columns["sizes"][index].tolist()
        return height, width

    def read(self, index: int, view: View | None = None) -> dict[str, NDArray[Any]]:
        """The image and its labels, as the data set that was packed gave them: see AnnotatedFiles.read.

        Raises:
            UserError: for a missing or damaged shard, or an image that cannot be decoded.
        """
        name = self.name(index)
        file = self.images.file(index, name)
        image = decode(file, view, self.white, upright=bool(self.columns["turned"][index]))
        sample: dict[str, NDArray[Any]] = {"image": image}
        if self.masks is not None:
            sample["mask"] = self.masks.read(index)
        if self.boxes is not None:
            sample["bboxes"] = self.boxes.to_train(index)
        if self.labels is not None:
            sample["label"] = np.asarray(self.labels[index])
        if self.multilabel is not None:
            sample["multilabel"] = self.multilabel[index]
        return sample

    def annotations(self, index: int) -> Annotations:
        """The boxes to score against."""
        assert self.boxes is not None
        return self.boxes.annotations(index)

    def class_pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,) number of pixels of each class over all label maps, without void."""
        found: NDArray[np.int64] = self.columns["mask_pixels"][:classes]
        return found

    def check(self) -> Iterator[UserError | None]:
        """Compare each shard's SHA-256 with the index; yields an error or None for each sample.

        Shards of an address are compared when they arrive.
        """
        with thread_pool() as pool:
            for number, problem in enumerate(pool.map(self.shards.problem, range(len(self.shard_sizes)))):
                yield from [problem] * self.shard_sizes[number]


def boxes_of(columns: Columns) -> PackedBoxes:
    """The boxes of a split's columns, as their file had them."""
    counts = np.diff(columns["box_ends"])
    return PackedBoxes(
        columns["image_ids"],
        columns["box_sizes"],
        np.repeat(np.arange(len(counts)), counts),
        columns["boxes"],
        columns["box_labels"],
        columns["areas"],
        columns["crowd"],
        np.arange(len(columns["boxes"])),
    )
