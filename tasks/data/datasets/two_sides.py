"""Training images and images to score: of two splits, or the latter drawn from the former."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Generic, Literal, TypeVar

from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.class_names import check_learned
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.files.files import Files

Side = Literal["train", "val"]
Samples = TypeVar("Samples", bound=Files)


class TwoSides(ABC, Generic[Samples]):
    """A data set with a split for each side, or with one from which images to score are drawn.

    Args:
        drawn: how they are drawn; None for two splits.
    """

    def __init__(self, drawn: DrawnSplit | None) -> None:
        self.drawn = drawn
        self.opened_sides: dict[Side, Samples] = {}

    @abstractmethod
    def open_side(self, side: Side) -> Samples:
        """All images of a split.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """

    def files(self, side: Side) -> Samples:
        """All images of a split, opened once."""
        if side not in self.opened_sides:
            self.opened_sides[side] = self.open_side(side)
        return self.opened_sides[side]

    def train(self) -> Samples:
        """The training images.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """
        return self.files("train") if self.drawn is None else self.sides[0]

    def val(self) -> Samples:
        """The images to score.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """
        return self.files("val") if self.drawn is None else self.sides[1]

    @cached_property
    def sides(self) -> tuple[Samples, Samples]:
        """The training images and those drawn from them to score."""
        return self.draw()

    def draw(self) -> tuple[Samples, Samples]:
        """The training images and those drawn from them to score, drawn again."""
        assert self.drawn is not None
        files = self.files("train")
        train, val = self.drawn.sides(self.names_to_draw(), self.strata())
        return files.of(train), files.of(val)

    def names_to_draw(self) -> Sequence[str]:
        """Names of the images of the training split, on which the draw depends."""
        files = self.files("train")
        return [files.files[index] for index in range(len(files))]

    def strata(self) -> Sequence[int] | None:
        """The class of each image of the training split, if the share is drawn of each class."""
        return None


class AnnotatedSides(TwoSides[AnnotatedFiles]):
    """Two sides of images with boxes or label maps. Training images have a box if boxes are read."""

    @property
    @abstractmethod
    def train_source(self) -> Path:
        """The file or the folder of the training split, for messages."""

    def found_names(self) -> Sequence[str] | None:
        """Names of the classes if they were found in the training images, so that those that are left must have each;
        None if they were named."""
        return None

    def train(self) -> AnnotatedFiles:
        """The training images.

        Raises:
            UserError: for a missing split or file, an error in one, or no box in any.
        """
        files = super().train()
        if files.boxes is not None:
            files.must_teach(self.train_source)
        return files

    def draw(self) -> tuple[AnnotatedFiles, AnnotatedFiles]:
        """The training images and those drawn from them to score, drawn again.

        Raises:
            UserError: for a class found in images to score alone.
        """
        train, val = super().draw()
        if train.boxes is not None and val.boxes is not None and (names := self.found_names()) is not None:
            check_learned(names, train.boxes.labels, val.boxes.labels, self.train_source)
        return train, val
