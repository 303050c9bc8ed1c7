"""Several data sets as one, each with its own kinds of labels: missing labels are never filled in."""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError, suggestion
from tasks.data.files.files import View
from tasks.data.files.samples import KINDS, Arrays, Samples, key_of


class Part:
    """A data set's split within a mixture: only the requested kinds of labels, names unique across sets.

    Args:
        set_name: of the data set in the mixture; prefix of the images' names.
        samples: the split.
        kinds: requested kinds of its labels.
    """

    def __init__(self, set_name: str, samples: Any, kinds: Sequence[str]) -> None:
        self.set_name, self.samples, self.kinds = set_name, samples, tuple(kinds)
        self.keys = {"image", *(key_of(kind) for kind in kinds)}

    def __len__(self) -> int:
        return len(self.samples)

    def name(self, index: int) -> str:
        """The data set's name and the image's, usable as a file name."""
        return f"{self.set_name}__{self.samples.name(index)}"

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image."""
        height, width = self.samples.size(index)
        return height, width

    def read(self, index: int, view: View | None = None) -> Arrays:
        """`image` and the requested labels."""
        return {key: array for key, array in self.samples.read(index, view).items() if key in self.keys}

    def annotations(self, index: int) -> Annotations:
        """The boxes that are scored against."""
        truth: Annotations = self.samples.annotations(index)
        return truth


class MixedSamples:
    """The splits of several data sets, concatenated."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts, self.sizes = list(parts), [len(part) for part in parts]
        self.starts = [sum(self.sizes[:number]) for number in range(len(parts))]
        self.names = [part.set_name for part in parts]
        self.several_with_boxes = sum("boxes" in part.kinds for part in parts) > 1

    def __len__(self) -> int:
        return sum(self.sizes)

    def place(self, index: int) -> tuple[int, int]:
        """Number of a sample's data set, and the sample's index in it."""
        number = bisect_right(self.starts, index) - 1
        return number, index - self.starts[number]

    def having(self, kind: str) -> list[int]:
        """Indices of the samples with this kind of label."""
        return [
            index
            for part, start, size in zip(self.parts, self.starts, self.sizes, strict=True)
            if kind in part.kinds
            for index in range(start, start + size)
        ]

    def name(self, index: int) -> str:
        """Unique name of the image in pictures and lists."""
        number, place = self.place(index)
        return self.parts[number].name(place)

    def size(self, index: int) -> tuple[int, int]:
        """(height, width) of the image."""
        number, place = self.place(index)
        return self.parts[number].size(place)

    def read(self, index: int, view: View | None = None) -> Arrays:
        """The sample of its data set, with only the requested labels."""
        number, place = self.place(index)
        return self.parts[number].read(place, view)

    def annotations(self, index: int) -> Annotations:
        """The boxes to score against; images are renumbered if several sets have boxes."""
        number, place = self.place(index)
        truth = self.parts[number].annotations(place)
        return truth._replace(image_id=index + 1) if self.several_with_boxes else truth

    def check(self) -> Iterator[Any]:
        """Check every file once, set by set, with each set's own check."""
        for part in self.parts:
            with named(part.set_name):
                yield from part.samples.check()

    def class_pixels(self, classes: int) -> NDArray[np.int64]:
        """(classes,) number of pixels of each class over all sets with masks."""
        result: NDArray[np.int64] = np.sum(
            [part.samples.class_pixels(classes) for part in self.parts if "mask" in part.kinds], axis=0
        )
        return result

    def class_labels(self) -> NDArray[np.int64]:
        """Class numbers of all images of the sets with classes."""
        return np.concatenate([part.samples.class_labels() for part in self.parts if "label" in part.kinds])

    def label_matrix(self) -> NDArray[np.uint8]:
        """(N, C) 1 where an image has a class, of the sets with any number of classes per image."""
        return np.concatenate([part.samples.label_matrix() for part in self.parts if "multilabel" in part.kinds])

    def kept(self, keep: Callable[[Samples], Samples]) -> "MixedSamples":
        """The same mixture with `keep` applied to each set's samples."""
        return MixedSamples([Part(part.set_name, keep(part.samples), part.kinds) for part in self.parts])


class Alone(MixedSamples):
    """The split of a single data set: a mixture of one, without a name. All samples have the same kinds of labels."""

    def __init__(self, samples: Any) -> None:
        super().__init__([Part("", samples, KINDS)])
        self.samples, self.names = samples, []

    def name(self, index: int) -> str:
        name: str = self.samples.name(index)
        return name

    def read(self, index: int, view: View | None = None) -> Arrays:
        arrays: Arrays = self.samples.read(index, view)
        return arrays

    def having(self, _kind: str) -> list[int]:
        return list(range(len(self)))

    def check(self) -> Iterator[Any]:
        yield from self.samples.check()

    def kept(self, keep: Callable[[Samples], Samples]) -> MixedSamples:
        return Alone(keep(self.samples))


def as_mixture(samples: Any) -> MixedSamples:
    """Samples as a mixture; those of a single data set are wrapped."""
    return samples if isinstance(samples, MixedSamples) else Alone(samples)


class Mixture:
    """Data sets that are trained on together. Two may feed one head if their classes are the same.

    Args:
        sets: data sets by name.
        targets: requested kinds of labels: mask, boxes, label.

    Raises:
        UserError: without a data set, for one without labels of a requested kind, or for two whose classes differ.
    """

    def __init__(self, sets: Mapping[str, Any], targets: Sequence[str]) -> None:
        if not sets:
            raise UserError("dataset=mixed mixes nothing: name its data sets, as in datasets=[coco,cityscapes]")
        self.sets = dict(sets.items())
        self.kinds: dict[str, list[str]] = {}
        self.classes: dict[str, Sequence[Any]] = {}
        owners: dict[str, str] = {}  # the first set that has a kind
        for name, dataset in self.sets.items():
            if not hasattr(dataset, "train"):
                whole = [other for other in self.sets if hasattr(self.sets[other], "train")]
                near = suggestion(name, whole)
                raise UserError(f"datasets.{name} is not a data set{near}; there are {', '.join(whole) or 'none'}")
            with named(name):
                classes: Mapping[str, Sequence[Any]] = dataset.classes
            given = [kind for kind in getattr(dataset, "targets", classes) if kind in classes]
            self.kinds[name] = [kind for kind in targets if kind in given]
            if not given:
                raise UserError(
                    f"datasets.{name}.targets=[{','.join(dataset.targets)}] has none of {', '.join(classes)}"
                )
            if not self.kinds[name]:
                raise UserError(
                    f"datasets.{name} has labels of kind {' and '.join(given)} only, for which there is no head (those "
                    f"wanted: {', '.join(targets)}): {self.without(name)}"
                )
            for kind in self.kinds[name]:
                owner = owners.setdefault(kind, name)
                problem = difference(self.classes.setdefault(kind, classes[kind]), classes[kind], owner, name)
                if problem:
                    raise UserError(
                        f"datasets {owner} and {name} cannot share the head for {kind}: {problem}; "
                        f"{self.without(name, kind)}"
                    )

    @property
    def sources(self) -> dict[str, list[str]]:
        """Names of the sets that have each kind of label."""
        return {kind: [name for name, kinds in self.kinds.items() if kind in kinds] for kind in self.classes}

    def without(self, name: str, kind: str = "") -> str:
        """What to type to leave out a data set, or one kind of its labels."""
        kept = [other for other in self.kinds.get(name, ()) if other != kind]
        if kept and hasattr(self.sets[name], "targets"):
            return f"leave those of {name} out with datasets.{name}.targets=[{','.join(kept)}]"
        return f"leave {name} out of datasets=…"

    def train(self) -> MixedSamples:
        """The training samples of all sets."""
        return self.split("train")

    def val(self) -> MixedSamples:
        """The samples to score, of all sets."""
        return self.split("val")

    def split(self, split: str) -> MixedSamples:
        """One split of all sets.

        Raises:
            UserError: for an error in one of them, with its name.
        """
        parts = []
        for name, dataset in self.sets.items():
            with named(name):
                parts.append(Part(name, getattr(dataset, split)(), self.kinds[name]))
        return MixedSamples(parts)


@contextmanager
def named(name: str) -> Iterator[None]:
    """Make errors of one data set name it, and give its keys as they are in a mixture."""
    try:
        yield
    except UserError as error:
        message = re.sub(r"\bdataset\.(?=[\w.]+=)", f"datasets.{name}.", str(error))
        raise UserError(f"datasets.{name}: {message}") from error


def difference(ours: Sequence[Any], theirs: Sequence[Any], owner: str, other: str) -> str:
    """Message about the first class that differs between two sets, with their names; '' if none differs.

    Classes are equal if name, place and category id are; ids of label maps and colours are ignored. A name that both
    have with different meanings is reported before one that only one of them has.
    """
    first, second = (
        [(c,) if isinstance(c, str) else tuple(c[: 1 if len(c) == 3 else 2]) for c in classes]
        for classes in (ours, theirs)
    )
    if first == second:
        return ""
    places = {entry[0]: place for place, entry in enumerate(second)}
    for place, entry in enumerate(first):
        there = places.get(entry[0])
        if there is not None and (there, second[there]) != (place, entry):
            return f"{entry[0]} is {numbered(place, entry)} in {owner} and {numbered(there, second[there])} in {other}"
    for place, (entry, counterpart) in enumerate(zip(first, second, strict=False)):
        if entry != counterpart:
            return f"class {place} is {entry[0]} in {owner} and {counterpart[0]} in {other}"
    return f"{owner} has {len(first)} classes and {other} {len(second)}"


def numbered(place: int, entry: Sequence[Any]) -> str:
    """Place and id of a class."""
    return f"class {place}" + (f" (id {entry[1]})" if len(entry) > 1 else "")
